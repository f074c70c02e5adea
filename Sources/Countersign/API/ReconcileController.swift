import FoundationEssentials
package import Hummingbird
import Logging
import OCI

/// `GET /v1/reconcile`: how the sweeps for lost webhooks stand. `POST /v1/reconcile`, with `?repository=` or for all: one at once.
package struct ReconcileController: RouteSet {
    private let records: SweepRecords
    private let plan: SweepPlan
    private let registries: [RegistryConfiguration]
    private let authority: Authority

    /// - Parameter registries: of the configuration: only those are swept.
    package init(
        records: SweepRecords, plan: SweepPlan, registries: [RegistryConfiguration], authority: Authority
    ) {
        self.records = records
        self.plan = plan
        self.registries = registries
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/reconcile") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let filter = try request.repositories(principal)
            let page = try await records.sweeps(
                filter, before: try request.cursor(), limit: try request.limit())
            // what is about all repositories of a registry is not for a token that is confined to some
            let isWhole = principal?.scope == nil
            let registries = isWhole ? try await records.registries() : []
            let logs = isWhole ? try await records.followedLogs() : []
            return try Response.json(
                ReconcileAnswer(
                    pending: try await records.pending(filter), registries: registries.map(SweptRegistryAnswer.init),
                    repositories: page.items.map(SweepAnswer.init), logs: logs.map(FollowedLogAnswer.init),
                    next: page.next))
        }
        router.post("/v1/reconcile") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            var act = AuditLog.Entry(action: "reconcile.request", by: principal)
            let asked: Date
            var filter = RepositoryFilter()
            filter.scope = principal.scope
            if let repository = try repository(in: request) {
                try authority.confine(principal, to: repository)
                guard registries.contains(where: { $0.name == repository.registry }) else {
                    throw Problem(
                        .unprocessableContent, Registries.unknownCode,
                        "registry '\(repository.registry)' is not configured"
                    )
                }
                guard plan.rule(for: repository) != nil else {
                    throw Problem(
                        .unprocessableContent, SigningPolicy.refusedCode, "no policy rule signs in \(repository)")
                }
                act.repository = repository.description
                filter.pattern = try? Glob(repository.description)
                asked = try await records.request(repository, act)
            } else {
                try authority.refuseConfined(principal)
                asked = try await records.request(registries: registries.map(\.name), act)
            }
            context.logger.notice(
                "a sweep was asked for",
                metadata: ["principal": "\(principal.name)", "repository": "\(act.repository ?? "all")"])
            return try Response.json(
                Requested(
                    repository: act.repository, requestedAt: asked, pending: try await records.pending(filter)),
                status: .accepted)
        }
    }

    private func repository(in request: Request) throws(Problem) -> Repository? {
        guard let text = request.parameter("repository") else { return nil }
        let reference = try RequestedReference(text, registries: registries, isWholeRepositoryMeant: true)
        guard reference.tag == nil, reference.digest == nil else {
            throw Problem(.badRequest, "reference.malformed", "'\(text.prefix(300))' is not host/repository")
        }
        return reference.repository
    }

    private struct Requested: Encodable {
        /// Under its canonical name, by which it is listed; absent: all.
        let repository: String?
        let requestedAt: Date
        let pending: Int

        enum CodingKeys: String, CodingKey {
            case repository, pending
            case requestedAt = "requested_at"
        }
    }
}

private struct ReconcileAnswer: Encodable {
    /// Registries and repositories that somebody asked for and that are not done, of those that the request is about.
    let pending: Int
    let registries: [SweptRegistryAnswer]
    let repositories: [SweepAnswer]
    let logs: [FollowedLogAnswer]
    let next: Int64?
}

private struct FollowedLogAnswer: Encodable {
    let log: String
    let nextIndex, entries, ours, unknownKinds, unreadable, suspected: Int64
    let readAt: Date

    enum CodingKeys: String, CodingKey {
        case log, entries, ours, unreadable, suspected
        case nextIndex = "next_index"
        case unknownKinds = "unknown_kinds"
        case readAt = "read_at"
    }

    init(_ log: FollowedLog) {
        self.log = log.url
        nextIndex = log.nextIndex
        (entries, ours, suspected) = (log.entries, log.ours, log.suspected)
        (unknownKinds, unreadable) = (log.unknownKinds, log.unreadable)
        readAt = log.readAt
    }
}

private struct SweptRegistryAnswer: Encodable {
    let registry, catalog: String
    let requestedAt, dueAt, listedAt, recheckBeganAt, recheckEndedAt: Date?
    let rechecked: Int
    let error: Failure?

    enum CodingKeys: String, CodingKey {
        case registry, catalog, rechecked, error
        case requestedAt = "requested_at"
        case dueAt = "due_at"
        case listedAt = "listed_at"
        case recheckBeganAt = "recheck_began_at"
        case recheckEndedAt = "recheck_ended_at"
    }

    init(_ registry: SweepRecords.Registry) {
        self.registry = registry.name
        catalog = registry.catalog.rawValue
        requestedAt = registry.requestedAt
        dueAt = registry.dueAt
        listedAt = registry.listedAt
        recheckBeganAt = registry.recheckBeganAt
        recheckEndedAt = registry.recheckEndedAt
        rechecked = registry.rechecked
        error = registry.error
    }
}

private struct SweepAnswer: Encodable {
    let repository, state: String
    let requestedAt, dueAt, startedAt, sweptAt: Date?
    let tags, missed, moved, unreadable: Int
    let error: Failure?

    enum CodingKeys: String, CodingKey {
        case repository, state, tags, missed, moved, unreadable, error
        case requestedAt = "requested_at"
        case dueAt = "due_at"
        case startedAt = "started_at"
        case sweptAt = "swept_at"
    }

    init(_ sweep: SweepRecords.Sweep) {
        repository = sweep.repository.description
        state = sweep.state.rawValue
        requestedAt = sweep.requestedAt
        dueAt = sweep.dueAt
        startedAt = sweep.startedAt
        sweptAt = sweep.sweptAt
        (tags, missed) = (sweep.counts.tags, sweep.counts.missed)
        (moved, unreadable) = (sweep.counts.moved, sweep.counts.unreadable)
        error = sweep.error
    }
}
