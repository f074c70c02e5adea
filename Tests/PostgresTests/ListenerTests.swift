import Postgres
import Support
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct ListenerTests {
    /// Runs a listener and collects what it hears.
    private final class Ear: Sendable {
        let listener: Listener
        private let heard = Mutex<[String]>([])

        init(_ listener: Listener) { self.listener = listener }

        var payloads: [String] { heard.withLock { $0 } }

        func run(_ body: @Sendable () async throws -> Void) async throws {
            try await withThrowingTaskGroup { group in
                group.addTask { try await self.listener.run() }
                group.addTask {
                    for await payload in self.listener.notifications { self.heard.withLock { $0.append(payload) } }
                }
                try await body()
                listener.close()
                try await group.waitForAll()
            }
        }
    }

    /// The server process of the listener in this database.
    private func backend(_ pool: ConnectionPool) async throws -> Int32? {
        try await pool.query(
            """
            SELECT pid FROM pg_stat_activity
            WHERE application_name = 'ear' AND datname = current_database() AND state = 'idle'
            """
        ).first?.decode("pid")
    }

    private func scene(
        probeInterval: Duration = .seconds(10), _ body: @escaping @Sendable (Ear, ConnectionPool) async throws -> Void
    ) async throws {
        var configuration = try await PostgresCluster.database()
        let pool = ConnectionPool(configuration, size: 1)
        configuration.applicationName = "ear"
        let ear = Ear(Listener(configuration, channel: "Job \"x\"", probeInterval: probeInterval))
        try await ear.run {
            try await eventually("the first wake-up") { ear.payloads == [""] }
            try await body(ear, pool)
        }
        await pool.close()
    }

    @Test func `a notification is heard, after a first empty one`() async throws {
        try await scene { ear, pool in
            try await pool.execute("SELECT pg_notify('Job \"x\"', \("hello"))")
            try await eventually { ear.payloads == ["", "hello"] }
            #expect(ear.listener.outage == nil)
        }
    }

    @Test func `a listener whose connection is killed comes back and says so`() async throws {
        try await scene { ear, pool in
            let pid = try #require(try await backend(pool))
            try await pool.execute("SELECT pg_terminate_backend(\(pid))")
            try await eventually { ear.payloads == ["", ""] }
            try await pool.execute("SELECT pg_notify('Job \"x\"', \("again"))")
            try await eventually { ear.payloads == ["", "", "again"] }
        }
    }

    @Test func `a listener proves itself without waking who reads it`() async throws {
        try await scene(probeInterval: .milliseconds(100)) { ear, pool in
            let pid = try #require(try await backend(pool))
            try await eventually("a probe") {
                try await !pool.query("SELECT FROM pg_stat_activity WHERE pid = \(pid) AND query LIKE '%pg_notify%'")
                    .isEmpty
            }
            #expect(ear.payloads == [""])
        }
    }

    @Test func `cancelling the task ends the listener`() async throws {
        var configuration = try await PostgresCluster.database()
        let pool = ConnectionPool(configuration, size: 1)
        configuration.applicationName = "ear"
        let listener = Listener(configuration, channel: "job")
        let task = Task { try await listener.run() }
        for await _ in listener.notifications { break }
        try await eventually("a connection") { try await backend(pool) != nil }
        task.cancel()
        try await task.value
        #expect(await heard(listener) == [])
        try await eventually("the end of its connection") { try await backend(pool) == nil }
        await pool.close()
    }

    @Test func `a listener closed before it runs does not run`() async throws {
        // where nobody listens: an attempt to connect would leave an outage
        let listener = Listener(
            try PostgresConfiguration(url: "postgresql://postgres@127.0.0.1:1/none"), channel: "job")
        listener.close()
        try await listener.run()
        #expect(listener.outage == nil)
        #expect(await heard(listener) == [])
    }

    /// What is left to be read of a listener that has ended.
    private func heard(_ listener: Listener) async -> [String] {
        var payloads: [String] = []
        for await payload in listener.notifications { payloads.append(payload) }
        return payloads
    }
}
