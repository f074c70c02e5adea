import Postgres
import Support
import Testing

/// On a cluster of its own, because it takes the server away.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RestartTests {
    @Test func `an immediate restart breaks what runs and nothing after it`() async throws {
        let cluster = try await PostgresCluster()
        let pool = ConnectionPool(try await cluster.database(), size: 4, waitLimit: .seconds(30))
        try await pool.execute("CREATE TABLE kept (n int)")
        try await pool.execute("INSERT INTO kept VALUES (1)")
        let running = Task { try await pool.query("SELECT pg_sleep(60)") }
        try await eventually {
            try await !pool.query("SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'").isEmpty
        }
        try await cluster.restartImmediately()
        let error = await #expect(throws: PostgresError.self) { try await running.value }
        #expect(error?.isTransient == true)
        #expect(error?.answerMayBeLost == true)
        for _ in 1...8 { #expect(try await pool.query("SELECT * FROM kept").count == 1) }
        await pool.close()
    }

    @Test func `a call made while the server is away waits for it, within its limit`() async throws {
        let cluster = try await PostgresCluster()
        let configuration = try await cluster.database()
        let patient = ConnectionPool(configuration, size: 1, waitLimit: .seconds(60))
        let hasty = ConnectionPool(configuration, size: 1, waitLimit: .milliseconds(200))
        try await cluster.stopImmediately()
        async let waiting = patient.query("SELECT 1 AS n")
        // The second of these waits behind the first, and learns the reason all the same.
        let first = Task { try await hasty.query("SELECT 1") }
        let second = Task { try await hasty.query("SELECT 1") }
        for task in [first, second] {
            let error = await #expect(throws: PostgresError.self) { try await task.value }
            #expect(error?.isTransient == true)
        }
        try await cluster.startAgain()
        #expect(try await waiting.count == 1)
        #expect(try await hasty.query("SELECT 1").count == 1)
        await patient.close()
        await hasty.close()
    }

    @Test func `a server that hangs is left when the deadline is over`() async throws {
        let cluster = try await PostgresCluster()
        var configuration = try await cluster.database()
        configuration.statementDeadline = .milliseconds(300)
        configuration.cancelGrace = .milliseconds(300)
        let pool = ConnectionPool(configuration, size: 1)
        let pid: Int = try await pool.query("SELECT pg_backend_pid() AS p")[0].decode("p")
        try cluster.freeze(pid: pid)
        let began = ContinuousClock.now
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(.now - began < .seconds(60))
        #expect(error?.code == "postgres.deadline")
        #expect(error?.answerMayBeLost == true)
        #expect(try await pool.query("SELECT pg_backend_pid() AS p")[0].decode("p") != pid)
        try cluster.thaw(pid: pid)
        await pool.close()
    }
}
