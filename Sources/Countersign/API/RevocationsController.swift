import HTTPTypes
package import Hummingbird
import Logging
import OCI
import StrictJSON

/// `POST /v1/revoke` with `{"references": […@digest], "reason": …, "remove": true}`: these digests are not signed in their
/// repositories until `POST /v1/revoke/release` lifts it.
///
/// By digest only: a tag may point elsewhere by the time it is read.
package struct RevocationsController: RouteSet {
    private let revocations: Revocations
    private let configuration: Configuration
    private let authority: Authority

    private static let maxBody = 64 << 10

    package init(revocations: Revocations, configuration: Configuration, authority: Authority) {
        self.revocations = revocations
        self.configuration = configuration
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.post("/v1/revoke") { request, context in
            let asked = try await asked(request, context, members: ["references", "reason", "remove"])
            var items: [Answer.Item] = []
            for item in asked.items {
                let isNew = try await revocations.revoke(item.request, removing: asked.removes)
                items.append(.init(reference: item.text, state: TargetState.revoked.rawValue, changed: isNew))
            }
            note("revoked", asked, context)
            return try Response.json(Answer(items: items), status: asked.removes ? .accepted : .ok)
        }
        router.post("/v1/revoke/release") { request, context in
            // who forbids is not who allows again; nor does who may only see his own repositories lift what somebody with a
            // wider view has forbidden
            _ = try await authority.require(.admin, for: request)
            let asked = try await asked(request, context, members: ["references", "reason"])
            var items: [Answer.Item] = []
            for item in asked.items {
                let released = try await revocations.release(item.request)
                items.append(
                    .init(reference: item.text, state: released ? "released" : "not_revoked", changed: released))
            }
            note("released", asked, context)
            return try Response.json(Answer(items: items))
        }
    }

    private struct Answer: Encodable {
        struct Item: Encodable {
            let reference: String
            /// `revoked`; `released` or `not_revoked`.
            let state: String
            /// Whether this request changed it.
            let changed: Bool
        }
        let items: [Item]
    }

    private struct Asked {
        let items: [(text: String, request: Revocations.Request)]
        let removes: Bool
        let principal: APITokens.Principal
    }

    private func note(_ what: String, _ asked: Asked, _ context: ServiceContext) {
        context.logger.notice(
            "\(what)",
            metadata: ["principal": "\(asked.principal.name)", "references": "\(asked.items.count)"])
    }

    private func asked(_ request: Request, _ context: ServiceContext, members: [String]) async throws -> Asked {
        let principal = try await authority.actor(.operator, for: request)
        let body = try await request.bodyBytes(
            upTo: Self.maxBody, within: configuration.listeners.readTimeout, on: context.channel)
        let withdrawal = try RequestedWithdrawal(body, members: members, registries: configuration.registries)
        return Asked(
            items: try withdrawal.references.map { try item($0.text, $0.reference, withdrawal.reason, principal) },
            removes: withdrawal.removes, principal: principal)
    }

    private func item(
        _ text: String, _ reference: RequestedReference, _ reason: String, _ principal: APITokens.Principal
    ) throws(Problem) -> (text: String, request: Revocations.Request) {
        guard let digest = reference.digest else {
            throw Problem(
                .badRequest, "reference.digest_needed",
                "'\(text.prefix(300))' has no digest; GET /v1/artifacts says where a tag points")
        }
        try authority.confine(principal, to: reference.repository)
        guard configuration.registries.contains(where: { $0.name == reference.repository.registry }) else {
            throw Problem(
                .unprocessableContent, Registries.unknownCode,
                "registry '\(reference.repository.registry)' is not configured")
        }
        return (
            text,
            Revocations.Request(
                repository: reference.repository, digest: digest, reason: reason, principal: principal)
        )
    }
}

/// A revocation or its lifting as it is asked for over the API.
struct RequestedWithdrawal {
    let reason: String
    /// Whether what was published is to be taken out of the registry, too.
    let removes: Bool
    let references: [(text: String, reference: RequestedReference)]

    /// - Parameter members: those that the request may have.
    init(_ body: [UInt8], members: [String], registries: [RegistryConfiguration]) throws(Problem) {
        let document: JSONValue
        do { document = try JSONValue(parsing: body) } catch {
            throw Problem(.badRequest, "api.malformed", "not JSON: \(error)")
        }
        guard case .object(let object) = document, object.members.allSatisfy({ members.contains($0.name) }) else {
            throw Problem(.badRequest, "api.malformed", "an object of \(members.joined(separator: ", "))")
        }
        guard let reason = object["reason"]?.text, (1...1_000).contains(reason.utf8.count) else {
            throw Problem(.badRequest, "api.malformed", "'reason' must be 1 to 1,000 bytes of text")
        }
        switch object["remove"] {
        case nil: removes = false
        case .bool(let flag)?: removes = flag
        default: throw Problem(.badRequest, "api.malformed", "'remove' must be true or false")
        }
        self.reason = reason
        references = try SignController.references(in: document, registries: registries)
    }
}
