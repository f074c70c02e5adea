package import Logging
import OCI
import OpenSSL
import StrictJSON

/// The door of the signing daemon: authenticate first, parse second, answer only when it is durable.
///
/// Nothing is dialled here; what the registry really holds is asked when the job runs.
package struct Intake: Sendable {
    /// Makes requests durable. Several deliveries share one commit behind it.
    package typealias Commit = @Sendable ([EnqueueRequest]) async throws(QueueError) -> EnqueueResult

    private let endpoints: [String: Endpoint]
    private let policy: SigningPolicy
    private let commit: Commit
    private let metrics: ServiceMetrics
    private let logger: Logger

    private struct Endpoint {
        let configuration: EndpointConfiguration
        let registry: RegistryConfiguration
        let rules: EndpointRules
        let dialect: any WebhookDialect
        let secrets: [[UInt8]]
    }

    package init(
        _ configuration: Configuration, policy: SigningPolicy, metrics: ServiceMetrics, logger: Logger,
        commit: @escaping Commit
    ) {
        self.policy = policy
        self.commit = commit
        self.metrics = metrics
        self.logger = logger
        var endpoints: [String: Endpoint] = [:]
        for endpoint in configuration.endpoints {
            // A configuration that names an unknown registry does not pass `validate()`.
            guard let registry = configuration.registries.first(where: { $0.name == endpoint.registry }) else {
                continue
            }
            endpoints[endpoint.name] = Endpoint(
                configuration: endpoint, registry: registry,
                rules: EndpointRules(endpoint: endpoint, registry: registry, policy: policy),
                dialect: endpoint.kind.dialect, secrets: endpoint.secrets.map { Array($0.exposed.utf8) })
        }
        self.endpoints = endpoints
    }

    /// What became of a delivery that was taken; also its answer, for whoever tries an endpoint by hand.
    package struct Receipt: Sendable, Equatable, Encodable {
        package var accepted = 0
        package var known = 0
        package var refused = 0
        package var ignored = 0
    }

    /// How much of a body may be read before anything else is known of its sender.
    /// - Throws: `IntakeError.unknownEndpoint`.
    package func bodyLimit(of endpoint: String) throws(IntakeError) -> Int {
        guard let endpoint = endpoints[endpoint] else { throw .unknownEndpoint }
        return endpoint.configuration.maxBodyBytes
    }

    /// Takes one delivery. When this returns, nothing of it can be lost.
    /// - Parameters:
    ///   - authorization: the whole `Authorization` value, as it was sent.
    ///   - body: complete, within the endpoint's limit.
    package func receive(
        _ name: String, authorization: String?, body: [UInt8]
    ) async throws(IntakeError) -> Receipt {
        guard let endpoint = endpoints[name] else { throw .unknownEndpoint }
        try authenticate(authorization, endpoint)
        let events = try parse(body, endpoint)
        let decided = events.map { decide($0, endpoint) }
        let requests = decided.compactMap(\.request)
        var receipt = Receipt()
        if !requests.isEmpty {
            receipt = try await store(requests, name)
        }
        for case .ignored(let reason) in decided {
            metrics.ignored.increment(name, reason.rawValue)
            metrics.events.increment(name, "ignored")
            receipt.ignored += 1
        }
        return receipt
    }

    // MARK: The steps

    /// Every active secret is compared, in constant time: neither the place of the first difference nor which of the two
    /// matched can be measured.
    private func authenticate(_ authorization: String?, _ endpoint: Endpoint) throws(IntakeError) {
        let given = Array((authorization ?? "").utf8)
        var matches = false
        for secret in endpoint.secrets where !secret.isEmpty {
            if constantTimeEqual(given, secret) { matches = true }
        }
        guard matches else { throw .unauthorized }
    }

    private func parse(_ body: [UInt8], _ endpoint: Endpoint) throws(IntakeError) -> [ReceivedEvent] {
        let document: JSONValue
        do { document = try JSONValue(parsing: body) } catch { throw .malformed("not JSON: \(error)") }
        let events = try endpoint.dialect.events(in: document)
        let limit = endpoint.configuration.maxEvents
        guard events.count <= limit else { throw .tooManyEvents(events.count, limit: limit) }
        return events
    }

    private enum Decided {
        case stored(EnqueueRequest)
        case ignored(IgnoredReason)

        var request: EnqueueRequest? { if case .stored(let request) = self { request } else { nil } }
    }

    private func decide(_ received: ReceivedEvent, _ endpoint: Endpoint) -> Decided {
        switch received {
        case .ignored(let reason): return .ignored(reason)
        case .push(let event):
            let verdict = endpoint.rules.verdict(on: event)
            if case .ignored(let reason) = verdict { return .ignored(reason) }
            let request = EnqueueRequest(
                event, verdict: verdict, endpoint: endpoint.configuration.name, policyVersion: policy.version)
            return .stored(request)
        }
    }

    private func store(_ requests: [EnqueueRequest], _ name: String) async throws(IntakeError) -> Receipt {
        let result: EnqueueResult
        do {
            result = try await commit(requests)
        } catch {
            logger.error(
                "delivery not stored",
                metadata: ["endpoint": "\(name)", "code": "\(error.code)", "observed": "\(error)"])
            throw .unavailable(code: error.code)
        }
        for (request, item) in zip(requests, result.items) {
            metrics.events.increment(name, item.verdict.rawValue)
            logger.info("push event", metadata: request.logged(item, endpoint: name))
        }
        return Receipt(
            accepted: result.count(.accepted), known: result.count(.known), refused: result.count(.refused))
    }
}

extension EnqueueRequest {
    /// What is written down of a push and its verdict. The registry's canonical name stands where we sign; what the payload
    /// claimed, where we refuse.
    init(_ event: PushEvent, verdict: EventVerdict, endpoint: String, policyVersion: String) {
        let key = Array("\(endpoint)\u{0}\(event.id ?? "")".utf8) + (event.id == nil ? event.record : [])
        let delivery = RecordedDelivery(key: Hash.sha256(key), body: event.record)
        switch verdict {
        case .sign(let repository, let digest, let rule):
            self.init(
                source: endpoint, registry: repository.registry, repository: repository.name, digest: digest,
                tag: event.tag, mediaType: event.mediaType, actor: event.actor,
                verdict: .accepted(rule: rule, policyVersion: policyVersion), delivery: delivery)
        case .resolve(let repository, let tag, let rule):
            self.init(
                source: endpoint, registry: repository.registry, repository: repository.name, digest: nil, tag: tag,
                mediaType: event.mediaType, actor: event.actor,
                verdict: .accepted(rule: rule, policyVersion: policyVersion), delivery: delivery)
        case .refused(let registry, let reason):
            self.init(
                source: endpoint, registry: registry, repository: event.repository,
                digest: event.digest.flatMap { try? Digest($0) }, tag: event.tag, mediaType: event.mediaType,
                actor: event.actor, verdict: .refused(reason: reason), delivery: delivery)
        case .ignored(let reason):
            self.init(
                source: endpoint, registry: event.registryHost, repository: event.repository, digest: nil,
                verdict: .filtered(reason: reason.rawValue), delivery: delivery)
        }
    }

    fileprivate func logged(_ item: EnqueueResult.Item, endpoint: String) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "endpoint": "\(endpoint)", "verdict": "\(item.verdict.rawValue)",
            "registry.host": "\(registry.prefix(255))",
            "repository": "\(repository.prefix(255))",
        ]
        // eight bytes are enough to find a delivery in logs and in the table
        metadata["delivery.id"] = delivery.map { "\(Hex.encode($0.key.prefix(8)))" }
        metadata["artifact.digest"] = digest.map { "\($0)" }
        metadata["tag"] = tag.map { "\($0.prefix(128))" }
        metadata["target.id"] = item.targetID.map { "\($0)" }
        if case .refused(let reason) = verdict { metadata["reason"] = "\(reason)" }
        return metadata
    }
}
