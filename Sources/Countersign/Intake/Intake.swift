package import Curl
import FoundationEssentials
package import Logging
import OCI

/// The door of the signing daemon: authenticate first, on the head alone where that shows the secret; parse second; answer
/// only when it is durable.
///
/// Nothing is dialled here; what the registry really holds is asked when the job runs.
package struct Intake: Sendable {
    /// Makes requests durable. Several deliveries share one commit behind it.
    package typealias Commit = @Sendable ([EnqueueRequest]) async throws(QueueError) -> EnqueueResult

    /// Told of each delivery by which registry it is, and how long after its last event it came.
    package typealias Heard = @Sendable (_ registry: String, _ delay: Duration) -> Void

    private let endpoints: [String: Endpoint]
    private let policy: SigningPolicy
    let commit: Commit
    private let heard: Heard
    let metrics: ServiceMetrics
    let logger: Logger

    fileprivate struct Endpoint: Sendable {
        let configuration: EndpointConfiguration
        let registry: RegistryConfiguration
        let rules: EndpointRules
        let secrets: [[UInt8]]
        var dialect: any WebhookDialect { configuration.kind }
    }

    package init(
        _ configuration: Configuration, policy: SigningPolicy, metrics: ServiceMetrics, logger: Logger,
        heard: @escaping Heard = { _, _ in }, commit: @escaping Commit
    ) {
        self.heard = heard
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
                secrets: endpoint.secrets.map { Array($0.exposed.utf8) })
        }
        self.endpoints = endpoints
    }

    /// What became of a delivery that was taken; also its answer, for whoever tries an endpoint by hand.
    package struct Receipt: Sendable, Equatable, Encodable {
        package var accepted = 0
        package var known = 0
        package var refused = 0
        package var ignored = 0

        static func += (sum: inout Receipt, more: Receipt) {
            sum.accepted += more.accepted
            sum.known += more.known
            sum.refused += more.refused
            sum.ignored += more.ignored
        }
    }

    /// A sender whose head has shown all that it can of the endpoint's secret; only his body is read.
    package struct Sender: Sendable {
        fileprivate let endpoint: Endpoint
        fileprivate let head: HTTPHeaders
        /// How much of his body may be read.
        package var bodyLimit: Int { endpoint.configuration.maxBodyBytes }
    }

    /// Judges a delivery by its head alone.
    /// - Parameter head: its header fields, as they were sent.
    /// - Throws: `IntakeError.unknownEndpoint`, `.unauthorized`.
    package func admit(to name: String, head: HTTPHeaders) throws(IntakeError) -> Sender {
        guard let endpoint = endpoints[name] else { throw .unknownEndpoint }
        try endpoint.dialect.proof.check(head, endpoint.secrets)
        return Sender(endpoint: endpoint, head: head)
    }

    /// Takes one delivery. When this returns, nothing of it can be lost.
    /// - Parameter body: complete, within the sender's limit.
    /// - Throws: `IntakeError.unauthorized` where only the body shows that; `.malformed`, `.tooManyEvents`, `.unavailable`.
    package func receive(_ body: [UInt8], from sender: Sender) async throws(IntakeError) -> Receipt {
        let endpoint = sender.endpoint
        let name = endpoint.configuration.name
        let delivery = Delivery(head: sender.head, body: body)
        try endpoint.dialect.proof.check(delivery, endpoint.secrets)
        let events = try parse(delivery, endpoint)
        if let time = events.compactMap(\.time).max() {
            let delay = Duration.seconds(Date.now.timeIntervalSince(time))
            metrics.notificationDelay.observe(max(.zero, delay), name)
            heard(endpoint.registry.name, delay)
        }
        let decided = events.map { decide($0, endpoint) }
        let requests = decided.compactMap(\.request)
        var receipt = Receipt()
        if !requests.isEmpty {
            receipt = try await store(requests, endpoint.configuration)
        }
        for case .ignored(let reason) in decided {
            metrics.ignored.increment(name, reason.rawValue)
            metrics.events.increment(name, "ignored")
            receipt.ignored += 1
        }
        return receipt
    }

    // MARK: The steps

    private func parse(_ delivery: Delivery, _ endpoint: Endpoint) throws(IntakeError) -> [ReceivedEvent] {
        let events = try endpoint.dialect.events(in: delivery)
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
            switch endpoint.rules.verdict(on: event) {
            case .ignored(let reason): return .ignored(reason)
            case .refused(let registry, let reason):
                return .stored(
                    EnqueueRequest(event, of: registry, refusedFor: reason, endpoint: endpoint.configuration))
            case .sign(let repository, _, let rule), .resolve(let repository, _, let rule):
                return .stored(
                    EnqueueRequest(
                        event, in: repository, allowedBy: rule, policyVersion: policy.version,
                        endpoint: endpoint.configuration))
            }
        }
    }
}
