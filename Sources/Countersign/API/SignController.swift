import HTTPTypes
package import Hummingbird
import Logging
import OCI
import OpenSSL
import StrictJSON

/// `POST /v1/sign` with `{"references": ["host/repository@digest", …]}`: puts references into the queue by hand.
///
/// An operator may ask for what a push would have been granted, and for nothing else: the registry must be configured, the
/// repository on the list of one of its endpoints, and the policy must allow it. A rule's `untagged` is about pushes that
/// nobody asked for: it does not hold here. What is refused is written down like a push.
package struct SignController: RouteSet {
    private let configuration: Configuration
    private let policy: SigningPolicy
    private let authority: Authority
    private let queue: JobQueue

    fileprivate static let revokedReason = "the digest was revoked; release it first"
    private static let maxReferences = 100
    private static let maxBody = 64 << 10

    package init(
        configuration: Configuration, policy: SigningPolicy, authority: Authority, queue: JobQueue
    ) {
        self.configuration = configuration
        self.policy = policy
        self.authority = authority
        self.queue = queue
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.post("/v1/sign") { request, context in
            let principal = try await authority.actor(.operator, for: request)
            let references = try await references(of: request, context)
            for (_, reference) in references { try authority.confine(principal, to: reference.repository) }
            let requests = references.map { enqueueRequest($0.text, $0.reference, by: principal) }
            // one commit: nothing is signed for somebody whom no row names, and no row says what did not happen
            let result = try await queue.enqueue(requests) { AuditLog.Entry($0, $1, by: principal) }
            context.logger.notice(
                "signing requested",
                metadata: ["principal": "\(principal.name)", "references": "\(references.count)"])
            let items = zip(zip(references, requests), result.items).map { pair, item in
                item.isRevoked
                    ? Answer.Item(
                        reference: pair.0.text, verdict: EnqueueResult.Verdict.refused.rawValue,
                        reason: Self.revokedReason)
                    : Answer.Item(
                        reference: pair.0.text, verdict: item.verdict.rawValue, reason: pair.1.verdict.refusal)
            }
            return try Response.json(Answer(items: items), status: .accepted)
        }
    }

    private struct Answer: Encodable {
        struct Item: Encodable {
            let reference: String
            /// `accepted`, `known` or `refused`.
            let verdict: String
            let reason: String?
        }
        let items: [Item]
    }

    private func references(
        of request: Request, _ context: ServiceContext
    ) async throws -> [(text: String, reference: RequestedReference)] {
        let body = try await request.bodyBytes(
            upTo: Self.maxBody, within: configuration.listeners.readTimeout, on: context.channel)
        let document: JSONValue
        do { document = try JSONValue(parsing: body) } catch {
            throw Problem(.badRequest, "api.malformed", "not JSON: \(error)")
        }
        return try Self.references(in: document, registries: configuration.registries)
    }

    /// What a request's `references` are.
    static func references(
        in document: JSONValue, registries: [RegistryConfiguration]
    ) throws(Problem) -> [(text: String, reference: RequestedReference)] {
        guard case .array(let values)? = document["references"], !values.isEmpty, values.count <= maxReferences else {
            throw Problem(
                .badRequest, "api.malformed", "'references' must be a list of 1 to \(maxReferences) references")
        }
        return try values.map { (value) throws(Problem) in
            guard let text = value.text else {
                throw Problem(.badRequest, "api.malformed", "every reference must be text")
            }
            return (text, try RequestedReference(text, registries: registries))
        }
    }

    private func enqueueRequest(
        _ text: String, _ reference: RequestedReference, by principal: APITokens.Principal
    ) -> EnqueueRequest {
        let record = JSONValue.object([
            "reference": .string(text), "requested_by": .string(principal.name),
        ]).encoded()
        let key = Hash.sha256(Array("api\u{0}".utf8) + SecureRandom.bytes(16))
        var request = EnqueueRequest(
            source: "api", registry: reference.repository.registry, repository: reference.repository.name,
            digest: reference.digest, tag: reference.tag, actor: principal.name, lane: .default,
            verdict: verdict(on: reference), delivery: RecordedDelivery(key: key, body: record))
        // that a tag is at this digest is what the operator says, not the registry
        request.speaksForTag = false
        return request
    }

    private func verdict(on reference: RequestedReference) -> EnqueueRequest.Verdict {
        let repository = reference.repository
        guard configuration.registries.contains(where: { $0.name == repository.registry }) else {
            return .refused(reason: "registry '\(repository.registry)' is not configured")
        }
        // who asks by name means it: `untagged` is about pushes that nobody asked for
        switch policy.decide(repository, tagged: nil) {
        case .refuse(let reason): return .refused(reason: reason)
        case .sign(let rule): return .accepted(rule: rule.name, policyVersion: policy.version)
        }
    }
}

extension AuditLog.Entry {
    fileprivate init(_ request: EnqueueRequest, _ item: EnqueueResult.Item, by principal: APITokens.Principal) {
        self.init(action: "artifact.sign", by: principal)
        repository = "\(request.registry)/\(request.repository)"
        subject = request.digest?.description ?? request.tag
        if let refusal = request.verdict.refusal {
            (outcome, code, detail) = (.refused, SigningPolicy.refusedCode, refusal)
        }
        if item.isRevoked { (outcome, code, detail) = (.refused, Lineage.revokedCode, SignController.revokedReason) }
    }
}

extension EnqueueRequest.Verdict {
    fileprivate var refusal: String? { if case .refused(let reason) = self { reason } else { nil } }
}
