import FoundationEssentials
package import Hummingbird

/// `GET /v1/endpoints`: how the webhooks of this daemon fare. `GET /v1/policy`: what it would sign.
package struct IntakeController: RouteSet {
    private let configuration: Configuration
    private let policy: SigningPolicy
    private let metrics: ServiceMetrics
    private let authority: Authority
    private let startedAt = Date()

    package init(
        configuration: Configuration, policy: SigningPolicy, metrics: ServiceMetrics, authority: Authority
    ) {
        self.configuration = configuration
        self.policy = policy
        self.metrics = metrics
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/endpoints") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            let endpoints = configuration.endpoints.map { endpoint in
                EndpointAnswer(
                    name: endpoint.name, kind: endpoint.kind.name, registry: endpoint.registry,
                    repositories: endpoint.repositories.map(\.pattern),
                    deliveries: figures(metrics.deliveries, endpoint.name),
                    events: figures(metrics.events, endpoint.name), ignored: figures(metrics.ignored, endpoint.name))
            }
            return try Response.json(EndpointsAnswer(since: startedAt, endpoints: endpoints))
        }
        router.get("/v1/policy") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            let rules = policy.rules.map { rule in
                RuleAnswer(
                    name: rule.name, effect: rule.effect.rawValue, repositories: rule.repositories.map(\.pattern),
                    untagged: rule.untagged.rawValue, index: rule.index.rawValue)
            }
            return try Response.json(PolicyAnswer(version: policy.version, rules: rules))
        }
    }

    /// The counts of one endpoint by their second label.
    private func figures(_ counter: Counter, _ endpoint: String) -> [String: Int] {
        let own = counter.series.filter { $0.labels.first == endpoint }
        return Dictionary(own.map { ($0.labels[1], Int($0.value)) }) { $1 }
    }
}

private struct EndpointsAnswer: Encodable {
    /// The counts are this daemon's, since it started.
    let since: Date
    let endpoints: [EndpointAnswer]
}

private struct EndpointAnswer: Encodable {
    let name, kind, registry: String
    let repositories: [String]
    /// By result: `stored`, `ignored`, or the code of a failure. A failure that grows means a registry that is stuck.
    let deliveries: [String: Int]
    let events: [String: Int]
    let ignored: [String: Int]
}

private struct PolicyAnswer: Encodable {
    let version: String
    let rules: [RuleAnswer]
}

private struct RuleAnswer: Encodable {
    let name, effect: String
    let repositories: [String]
    let untagged, index: String
}
