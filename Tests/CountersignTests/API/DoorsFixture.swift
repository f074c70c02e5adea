import Curl
import FoundationEssentials
import Logging
import OCI
import Postgres
import ServiceLifecycle
import Support
import Synchronization
import Testing

@testable import Countersign

/// The three doors on loopback over a database of their own, driven with our HTTP client.
struct DoorsFixture {
    let queue: QueueFixture
    let metrics: ServiceMetrics
    /// The connections of the API.
    let apiPool: ConnectionPool
    let ports: [Door: Int]
    let commits: CommitLog
    let listeners: Listeners
    let described: DescribedAnswers
    /// Tells the daemon to stop; requests under way end.
    let stop: @Sendable () async -> Void
    private let http = HTTPClient()
    /// For asking issuers and registries.
    private static let outward = HTTPClient()

    /// Runs `body` while the doors are open.
    /// - Parameters:
    ///   - cluster: where the daemon stores, if that is not the fixture's own database.
    ///   - readers: connections that the API has for itself, on the fixture's own database; nil: it shares all.
    ///   - logger: told what goes wrong.
    static func withDoors(
        _ configuration: Configuration = .doors, cluster: PostgresConfiguration? = nil, readers: Int? = nil,
        logger: Logger = SigningDaemon.silence, _ body: (DoorsFixture) async throws -> Void
    ) async throws {
        let queue = try await QueueFixture()
        let pool = cluster.map { ConnectionPool($0, size: 2, waitLimit: .milliseconds(300)) } ?? queue.pool
        let apiPool =
            readers.map { ConnectionPool(queue.configuration, size: $0, waitLimit: .milliseconds(300)) } ?? pool
        let metrics = ServiceMetrics()
        let commits = CommitLog()
        let notifier = JobNotifier(signal: JobSignal(), pool: nil, logger: Logger(label: "test"))
        let jobs = JobQueue(pool: pool, notifier: notifier)
        let group = DeliveryGroupCommit(limit: 1000, batchLimit: 100) { requests throws(QueueError) in
            commits.append(requests.count)
            return try await jobs.enqueue(requests)
        }
        let doors = OpenDoors()
        let listeners = Listeners(
            configuration,
            .init(
                commit: { requests throws(QueueError) in try await group.commit(requests) }, intakePool: pool,
                apiPool: apiPool, figuresPool: pool, queue: jobs, policy: SigningPolicy(configuration),
                metrics: metrics, progress: Idle(), areDoorsOpen: { doors.areAllOpen },
                registries: try Registries(configuration.registries, http: Self.outward),
                oidc: OIDCAuthenticator(configuration.api.oidc, http: Self.outward)),
            logger: logger)
        let (bound, continuation) = AsyncStream.makeStream(of: (Door, Int).self)
        let services = listeners.services { door, port in
            doors.opened(door)
            continuation.yield((door, port))
        }
        let serviceGroup = ServiceGroup(
            services: services, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let running = Task { try await serviceGroup.run() }
        var ports: [Door: Int] = [:]
        for await (door, port) in bound {
            ports[door] = port
            if ports.count == Door.allCases.count { break }
        }
        let fixture = DoorsFixture(
            queue: queue, metrics: metrics, apiPool: apiPool, ports: ports, commits: commits, listeners: listeners,
            described: DescribedAnswers(listeners)
        ) {
            await serviceGroup.triggerGracefulShutdown()
        }
        do { try await body(fixture) } catch {
            await serviceGroup.triggerGracefulShutdown()
            throw error
        }
        fixture.http.shutdown()
        await serviceGroup.triggerGracefulShutdown()
        try await running.value
    }

    struct Idle: WorkerProgress {
        var sinceLastStep: Duration? { .milliseconds(20) }
        var longestSilence: Duration { .seconds(60) }
        var isStopping: Bool { false }
    }

    // MARK: Requests

    func deliver(
        _ body: String, to endpoint: String = "main", secret: String? = "Bearer first-secret"
    ) async throws -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": "application/vnd.docker.distribution.events.v1+json"]
        if let secret { headers["Authorization"] = secret }
        return try await send(.post, .webhooks, "/webhooks/\(endpoint)", headers: headers, body: Array(body.utf8))
    }

    func get(_ path: String, _ door: Door = .api, token: String? = nil) async throws -> HTTPResponse {
        try await send(.get, door, path, headers: token.map { ["Authorization": "Bearer \($0)"] } ?? [:])
    }

    func send(
        _ method: HTTPRequest.Method, _ door: Door, _ path: String, headers: HTTPHeaders = [:], body: [UInt8]? = nil
    ) async throws -> HTTPResponse {
        let route = HTTPRoute.toTestServer
        let url = "http://127.0.0.1:\(ports[door] ?? 0)\(path)"
        let answer = try await http.send(HTTPRequest(method, url, headers: headers, body: body, route: route))
        for fault in described.faults(method, path, answer) {
            Issue.record("\(method.rawValue) \(path) is not as the OpenAPI document says: \(fault)")
        }
        return answer
    }

    // MARK: Looking at the tables

    func events() async throws -> Int { try await queue.number("SELECT count(*) FROM countersign.event") }
    func events(_ verdict: String) async throws -> Int {
        try await queue.number("SELECT count(*) FROM countersign.event WHERE verdict = \(verdict)::text")
    }
    func token(_ role: APITokens.Role, of repositories: String) async throws -> String {
        try await APITokens(pool: queue.pool).create(
            name: "\(role.rawValue) of \(repositories)", role: role, lifetime: nil,
            scope: TokenScope(repositories: [repositories], predicateTypes: ["*"]))
    }
    func token(_ role: APITokens.Role) async throws -> String {
        try await APITokens(pool: queue.pool).create(name: role.rawValue, role: role, lifetime: nil)
    }
}

/// How many requests each commit had.
final class CommitLog: Sendable {
    private let sizes = Mutex<[Int]>([])
    var all: [Int] { sizes.withLock { $0 } }
    func append(_ size: Int) { sizes.withLock { $0.append(size) } }
}

extension Configuration {
    static func doors(_ change: (inout Configuration) -> Void) -> Configuration {
        var configuration = Configuration.doors
        change(&configuration)
        return configuration
    }

    /// One registry, one endpoint, everything under `team/` signed.
    static var doors: Configuration {
        let identity = IdentityConfiguration(
            token: .environment("TOKEN"), subjectAlternativeName: "a@example.com", issuer: "https://issuer.example.com")
        let upstream = UpstreamConfiguration(url: "https://sigstore.example.com")
        var configuration = Configuration(
            database: .init(url: Secret("postgresql://unused")),
            sigstore: .init(
                trust: .files(trustedRoot: "root.json", signingConfig: nil), fulcio: upstream,
                timestampAuthority: upstream, rekor: upstream,
                identity: identity))
        configuration.environment = .development
        let free = ListenAddress(host: "127.0.0.1", port: 0)
        (configuration.listeners.webhooks, configuration.listeners.api, configuration.listeners.operations) = (
            free, free, free
        )
        configuration.registries = [
            .init(name: "registry.example.com", upstream: .init(url: "https://registry.example.com"))
        ]
        var endpoint = EndpointConfiguration(
            name: "main", registry: "registry.example.com",
            secrets: [Secret("Bearer first-secret"), Secret("second-secret")])
        endpoint.repositories = [glob("team/**")]
        endpoint.maxBodyBytes = 64 << 10
        endpoint.maxEvents = 10
        configuration.endpoints = [endpoint]
        configuration.policy = .init(rules: [.init(name: "team", repositories: [glob("registry.example.com/team/**")])])
        return configuration
    }
}

/// One event of a distribution registry, as text.
func notification(
    _ seed: String = "image", action: String = "push", host: String = "registry.example.com",
    repository: String = "team/app",
    tag: String? = "v1", mediaType: String = "application/vnd.oci.image.manifest.v1+json"
) -> String {
    let tag = tag.map { #", "tag": "\#($0)""# } ?? ""
    return #"""
        {"id": "\#(seed)", "action": "\#(action)", "target": {"mediaType": "\#(mediaType)", "digest": "\#(sampleDigest(seed))",
         "repository": "\#(repository)", "url": "http://user:hunter2@\#(host)/v2/"\#(tag)},
         "request": {"addr": "192.0.2.7:1", "host": "\#(host)", "useragent": "docker/27"}, "actor": {"name": "ci"}}
        """#
}

func envelope(_ events: String...) -> String { #"{"events": [\#(events.joined(separator: ","))]}"# }
