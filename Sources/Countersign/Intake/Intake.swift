import FoundationEssentials
package import Logging
import OCI
import OpenSSL
import StrictJSON

/// The door of the signing daemon: authenticate first, read and parse second, answer only when it is durable.
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
        let dialect: any WebhookDialect
        let secrets: [[UInt8]]
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

        static func += (sum: inout Receipt, more: Receipt) {
            sum.accepted += more.accepted
            sum.known += more.known
            sum.refused += more.refused
            sum.ignored += more.ignored
        }
    }

    /// A sender who has shown the endpoint's secret; only his body is read.
    package struct Sender: Sendable {
        fileprivate let endpoint: Endpoint
        /// How much of his body may be read.
        package var bodyLimit: Int { endpoint.configuration.maxBodyBytes }
    }

    /// Judges a delivery by its head alone.
    /// - Parameter authorization: the whole `Authorization` value, as it was sent.
    /// - Throws: `IntakeError.unknownEndpoint`, `.unauthorized`.
    package func admit(to name: String, authorization: String?) throws(IntakeError) -> Sender {
        guard let endpoint = endpoints[name] else { throw .unknownEndpoint }
        try authenticate(authorization, endpoint)
        return Sender(endpoint: endpoint)
    }

    /// Takes one delivery. When this returns, nothing of it can be lost.
    /// - Parameter body: complete, within the sender's limit.
    package func receive(_ body: [UInt8], from sender: Sender) async throws(IntakeError) -> Receipt {
        let endpoint = sender.endpoint
        let name = endpoint.configuration.name
        let events = try parse(body, endpoint)
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
            return .stored(
                EnqueueRequest(
                    event, verdict: verdict, endpoint: endpoint.configuration, policyVersion: policy.version))
        }
    }
}
