import Curl
import FoundationEssentials
import Logging
import Postgres
import Support
import Synchronization
import Testing

@testable import Countersign

/// The whole daemon, as `serve` puts it together, in its first moments.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct StartingDaemonTests {
    let patient: DoctorPatient

    init() async throws { patient = try await DoctorPatient() }

    private var configuration: Configuration {
        var configuration = patient.configuration
        let free = ListenAddress(host: "127.0.0.1", port: 0)
        (configuration.listeners.webhooks, configuration.listeners.api) = (free, free)
        configuration.listeners.operations = free
        configuration.reconcile.identityMonitor.isEnabled = true
        var receiver = UpstreamConfiguration(url: "http://127.0.0.1:1")
        (receiver.proxy, receiver.privateNetwork, receiver.plainHTTP) = (.none, true, true)
        configuration.notifications.sinks = [
            .init(name: "chat", upstream: receiver, secrets: [Secret("0123456789abcdef0123456789abcdef")])
        ]
        return configuration
    }

    private static func run(
        _ configuration: Configuration, _ lines: KeptLines = KeptLines(),
        onBound: @escaping @Sendable (Door, Int) async -> Void = { _, _ in }
    ) async throws {
        try await CountersignService(configuration, version: "0.0.0", logger: lines.logger)
            .run(migrations: packageRoot + "/migrations", stoppingOn: [], onBound: onBound)
    }

    @Test func `every counter that an alert reads is shown before its first event`() async throws {
        let configuration = configuration
        let (bound, continuation) = AsyncStream.makeStream(of: Int.self)
        let daemon = Task {
            defer { continuation.finish() }
            try await Self.run(configuration) { door, port in if door == .operations { continuation.yield(port) } }
        }
        let first = await bound.first { _ in true }
        let port = try #require(first, "the daemon did not start")
        let alerts = try DocumentedMetricsTests.Page().increases
        #expect(alerts.count >= 6, "the table is read as this test understands it")
        var missing = Set(alerts)
        // logs are known once they are followed
        try? await eventually("all are shown", within: .seconds(20)) {
            let request = HTTPRequest(.get, "http://127.0.0.1:\(port)/metrics", route: .toTestServer)
            let text = String(decoding: try await SigningLine.http.send(request).body, as: UTF8.self)
            let lines = text.split(separator: "\n").filter { $0.hasSuffix(" 0") || $0.hasPrefix(Self.look) }
            missing = Set(alerts + [Self.look]).filter { alert in
                !lines.contains { line in alert.split(separator: " ").allSatisfy { line.contains($0) } }
            }
            return missing.isEmpty
        }
        #expect(missing.sorted() == [], "no series")
        daemon.cancel()
        _ = await daemon.result
    }

    @Test func `traffic should come once all doors listen`() async throws {
        var apart = configuration
        // behind the address of the operations door, which opens first
        let second = ListenAddress(host: "127.0.0.2", port: 0)
        (apart.listeners.webhooks, apart.listeners.api) = (second, second)
        let operations = OperationsDoor()
        let (early, continuation) = AsyncStream.makeStream(of: String.self)
        let daemon = Task { [apart] in
            defer { continuation.finish() }
            try await Self.run(apart) { door, port in
                if door == .operations { operations.opened(at: port) }
                // until this returns the door of the API is not known to listen
                guard door == .webhooks else { return }
                try? await eventually("the operations door answers") { await !operations.readiness().isEmpty }
                continuation.yield(await operations.readiness())
            }
        }
        let answer = await early.first { _ in true }
        #expect(answer?.contains(#""listeners":{"code":"listener.closed","ok":false},"ready":false"#) == true)
        try await eventually("it is ready") {
            await operations.readiness().contains(#""listeners":{"ok":true},"ready":true"#)
        }
        daemon.cancel()
        _ = await daemon.result
    }

    /// How long nobody has looked at a log is told of one that never answered, too.
    private static let look = "countersign_log_look_timestamp_seconds"

    @Test func `a port that is taken is named, and nothing is claimed or fails`() async throws {
        var configuration = configuration
        let other = try LoopbackServer { _ in .drop }
        configuration.listeners.webhooks = ListenAddress(host: "127.0.0.1", port: other.port)
        let lines = KeptLines()
        let error = await #expect(throws: ListenerError.self) { try await Self.run(configuration, lines) }
        #expect(error?.observed == "listeners.webhooks 127.0.0.1:\(other.port): address already in use")
        #expect(lines.kept.withLock { $0 }.filter { $0.level >= .error }.map(\.text) == [])
        #expect(try await patient.line.database.number("SELECT count(*) FROM countersign.worker") == 0)
    }

    @Test func `doors that share an address are named together, and a host that there is not`() async throws {
        var configuration = configuration
        let nowhere = ListenAddress(host: "nowhere.invalid", port: 8080)
        (configuration.listeners.webhooks, configuration.listeners.api) = (nowhere, nowhere)
        let error = await #expect(throws: ListenerError.self) { try await Self.run(configuration) }
        #expect(
            error?.observed == "listeners.webhooks, listeners.api nowhere.invalid:8080: the host has no address")
    }

    private final class OperationsDoor: Sendable {
        private let port = Mutex<Int?>(nil)

        func opened(at bound: Int) { port.withLock { $0 = bound } }

        /// What it says; nothing before it is open.
        func readiness() async -> String {
            guard let bound = port.withLock({ $0 }) else { return "" }
            let request = HTTPRequest(.get, "http://127.0.0.1:\(bound)/readyz", route: .toTestServer)
            let answer = try? await SigningLine.http.send(request)
            return String(decoding: answer?.body ?? [], as: UTF8.self)
        }
    }
}
