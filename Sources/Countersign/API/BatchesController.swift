import HTTPTypes
package import Hummingbird
import Logging
import OCI
import OpenSSL

/// `POST /v1/batches`: many references at once, as a list or by a selector over our records; `POST /v1/resign`: the same for
/// another signature. `GET` for what became of them, `…/events` to be told, `…/approve`, `…/cancel`, `…/resume`,
/// `…/retry-failed`.
///
/// A batch grants nothing: each member gets what the policy grants a push. A token that is confined asks for what is within
/// its scope, and sees and commands what it asked for itself; approving is for an admin, everywhere.
package struct BatchesController: RouteSet {
    private let records: BatchRecords
    private let selection: BatchSelection
    private let listing: TagListing
    private let plan: BatchPlan
    private let configuration: Configuration
    private let authority: Authority
    private let events: BatchEvents

    private static let maxBody = 4 << 20

    package init(
        records: BatchRecords, configuration: Configuration, policy: SigningPolicy, authority: Authority,
        registries: Registries, metrics: ServiceMetrics
    ) {
        self.records = records
        self.configuration = configuration
        self.authority = authority
        selection = BatchSelection(pool: records.pool, endpoints: configuration.endpoints)
        let plan = BatchPlan(
            policy: policy, registries: Set(configuration.registries.map(\.name)), pool: records.pool)
        listing = TagListing(registries: registries, plan: plan)
        self.plan = plan
        events = BatchEvents(records: records, metrics: metrics)
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.post("/v1/batches") { request, context in try await take(request, context, .sign) }
        router.post("/v1/resign") { request, context in try await take(request, context, .resign(.keep)) }
        router.get("/v1/batches") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let before = try request.cursor()
            let page = try await records.batches(
                of: Self.owner(principal), before: before, limit: try Self.limit(request, atMost: 500))
            let shown = try await within(page.items, for: principal)
            return try Response.json(
                BatchesAnswer(batches: shown.map { BatchAnswer($0) }, next: page.next))
        }
        router.get("/v1/batches/:id") { request, context in
            let principal = try await authority.identify(.viewer, for: request)
            let batch = try await batch(Self.id(context), for: principal)
            let after = try request.parameter("after", "the 'next' of the page before") { text in
                Int32(text).flatMap { $0 >= 0 ? $0 : nil }
            }
            let limit = try Self.limit(request, atMost: 1_000)
            let states = BatchMember.State.allCases.map(\.rawValue).joined(separator: ", ")
            let state = try request.parameter("state", "one of \(states)") { BatchMember.State(rawValue: $0) }
            let members = try await records.members(of: batch.id, state: state, after: after, limit: limit)
            return try Response.json(
                BatchItemsAnswer(
                    batch: BatchAnswer(batch, try await records.progress(of: batch.id)),
                    items: members.map(BatchItemAnswer.init),
                    next: members.count < limit ? nil : members.last?.ordinal))
        }
        router.get("/v1/batches/:id/events") { request, context in
            _ = try await authority.identify(.viewer, for: request)
            let id = try Self.id(context)
            let seen: @Sendable () async throws -> Batch = {
                try await batch(id, for: try await authority.identify(.viewer, for: request))
            }
            _ = try await seen()
            return try events.response(of: seen)
        }
        router.post("/v1/batches/:id/approve") { request, context in
            _ = try await authority.require(.admin, for: request)
            return try await command(request, context, "approve", records.approve)
        }
        router.post("/v1/batches/:id/cancel") { request, context in
            try await command(request, context, "cancel", records.cancel)
        }
        router.post("/v1/batches/:id/resume") { request, context in
            try await command(request, context, "resume", records.resume)
        }
        router.post("/v1/batches/:id/retry-failed") { request, context in
            try await command(request, context, "retry-failed", records.retryFailed)
        }
    }

    /// - Parameter action: what the path says.
    private func take(_ request: Request, _ context: ServiceContext, _ action: Batch.Action) async throws -> Response {
        let principal = try await authority.actor(.operator, for: request)
        let body = try await request.bodyBytes(
            upTo: Self.maxBody, within: configuration.listeners.readTimeout, on: context.channel)
        let requested = try RequestedBatch(body, action, registries: configuration.registries)
        if requested.isDryRun {
            try requested.insist(on: plan.policy)
            let subjects = try await groupable(requested.request, for: principal)
            return try Response.json(
                DryRunAnswer(
                    try await plan.verdicts(on: subjects, requested.request),
                    isGrouped: requested.request.grouping != nil, policyVersion: plan.policy.version))
        }
        let origin = BatchRecords.Origin(
            principal: principal, key: try Self.idempotencyKey(request),
            fingerprint: Hash.sha256(Array("\(action.name)\u{0}".utf8) + body))
        // asked again: what the selector means now is not looked up, and would not count
        let storing: BatchRecords.Storing
        if let earlier = try await records.earlier(origin) {
            if case .known(let batch) = earlier, try await within([batch], for: principal).isEmpty {
                throw authority.refusal(
                    .forbidden, "api.out_of_scope", "the token is not for all repositories of this earlier request")
            }
            storing = earlier
        } else {
            try requested.insist(on: plan.policy)
            storing = try await records.store(
                try await groupable(requested.request, for: principal), requested.request,
                selector: requested.selector,
                needsApproval: configuration.batches.approval.isNeeded(for: requested.request.action), from: origin)
        }
        switch storing {
        case .keyReused:
            throw Problem(
                .unprocessableContent, "batch.key_reused",
                "another request came under this Idempotency-Key; take a new one")
        case .stored(let batch):
            context.logger.notice(
                "batch stored",
                metadata: [
                    "batch.id": "\(batch.id)", "principal": "\(principal.name)", "members": "\(batch.members)",
                    "action": "\(action.name)",
                ])
            return try await answer(batch, .accepted)
        case .known(let batch): return try await answer(batch, .accepted)
        }
    }

    private func answer(_ batch: Batch, _ status: HTTPResponse.Status) async throws -> Response {
        var response = try Response.json(
            BatchAnswer(batch, try await records.progress(of: batch.id)), status: status)
        response.headers[.location] = "/v1/batches/\(batch.id)"
        return response
    }

    /// What the request is about.
    /// - Throws: a ``Problem`` where it is to be grouped, and nothing of it can be.
    private func groupable(
        _ request: BatchRequest, for principal: APITokens.Principal
    ) async throws -> [BatchSubject] {
        let subjects = try await subjects(of: request, for: principal)
        if let reason = plan.aloneEverywhere(subjects, request) {
            throw Problem(
                .unprocessableContent, reason.code, reason.observed, fix: "say \(reason.fix), or leave out 'grouping'")
        }
        return subjects
    }

    private func subjects(
        of request: BatchRequest, for principal: APITokens.Principal
    ) async throws -> [BatchSubject] {
        switch request.subjects {
        case .list(let subjects):
            for subject in subjects { try authority.confine(principal, to: subject.repository) }
            return subjects
        case .selector(var selector):
            selector.scope = principal.scope
            let selected =
                switch selector.source {
                case .records: try await selection.subjects(selector, signedOnly: request.action != .sign)
                case .registry: try await listed(selector)
                }
            guard let subjects = selected else {
                throw Problem(
                    .unprocessableContent, "batch.too_many",
                    "the selector selects more than \(BatchRequest.memberLimit); narrow it by registry or repository")
            }
            return subjects
        }
    }

    private func listed(_ selector: BatchSelector) async throws -> [BatchSubject]? {
        do {
            return try await listing.subjects(selector)
        } catch let error as TagListing.NoRepository {
            throw Problem(.unprocessableContent, "batch.no_repository", "\(error)")
        } catch let error as OCIError {
            throw Problem(
                .badGateway, "batch.registry", "the registry did not list its tags: \(error) [\(error.code)]",
                fix: error.fix, retryAfter: error.retryAfter)
        }
    }

    private func command(
        _ request: Request, _ context: ServiceContext, _ name: String,
        _ command: (Int64, APITokens.Principal) async throws -> BatchRecords.Command
    ) async throws -> Response {
        let principal = try await authority.actor(.operator, for: request)
        let id = try Self.id(context)
        switch try await command(try await batch(id, for: principal).id, principal) {
        case .unknown: throw Self.unknown(id)
        case .impossible(let batch):
            throw Problem(.conflict, "batch.state", "the batch is \(batch.state.rawValue): \(name) does not apply")
        case .notAPerson:
            throw Problem(
                .forbidden, "batch.not_a_person",
                "one of our own tokens approves a batch; an issuer's tokens are nobody's in particular")
        case .ownRequest:
            throw Problem(
                .forbidden, "batch.own_request",
                "\(principal.person) asked for the batch and cannot approve it; another person must")
        case .done(let batch):
            context.logger.notice(
                "batch \(name)", metadata: ["batch.id": "\(batch.id)", "principal": "\(principal.name)"])
            return try await answer(batch, .accepted)
        }
    }

    private func batch(_ id: Int64, for principal: APITokens.Principal?) async throws -> Batch {
        guard let batch = try await records.batch(id, of: Self.owner(principal)),
            try await !within([batch], for: principal).isEmpty
        else { throw Self.unknown(id) }
        return batch
    }

    /// Those of a caller's own batches that his scope of now has room for. Who an issuer vouches for, or whose token is of
    /// tenants, has a scope that the configuration gives him anew with each request: what he asked for when it was wider is not
    /// his any more. The repositories that a token of ours names are for its life.
    private func within(_ batches: [Batch], for principal: APITokens.Principal?) async throws -> [Batch] {
        guard let principal, let scope = principal.scope, !batches.isEmpty,
            principal.tokenID == nil || !scope.tenants.isEmpty
        else { return batches }
        let repositories = try await records.repositories(of: batches.map(\.id))
        return batches.filter { batch in repositories[batch.id]?.allSatisfy { scope.allows($0) } ?? true }
    }

    /// Whose batches somebody sees: his own if he is confined, else everybody's.
    private static func owner(_ principal: APITokens.Principal?) -> APITokens.Principal? {
        principal.flatMap { $0.scope == nil ? nil : $0 }
    }

    private static func unknown(_ id: Int64) -> Problem {
        Problem(.notFound, "batch.unknown", "no batch \(id): never, or forgotten")
    }

    private static func id(_ context: ServiceContext) throws(Problem) -> Int64 {
        guard let id = context.parameters.get("id", as: Int64.self), id > 0 else {
            throw Problem(.badRequest, "api.bad_parameter", "the batch in the path must be a number")
        }
        return id
    }

    private static func limit(_ request: Request, atMost limit: Int) throws(Problem) -> Int {
        try request.parameter("limit", "a number from 1 to \(limit)") { text in
            Int(text).flatMap { (1...limit).contains($0) ? $0 : nil }
        } ?? 100
    }

    /// draft-ietf-httpapi-idempotency-key-header: a quoted string; bare text is taken too.
    private static func idempotencyKey(_ request: Request) throws(Problem) -> String {
        let text = HTTPField.Name("Idempotency-Key").flatMap { request.headers[$0] } ?? ""
        let key =
            text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
            throw Problem(
                .badRequest, "batch.key_missing",
                "the header Idempotency-Key must have 1 to 255 characters: repeated under it, this stays one batch")
        }
        return key
    }
}
