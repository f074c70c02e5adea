import FoundationEssentials
import Postgres
import Support
import Testing

@Suite struct PoolTests {
    private func pool(
        size: Int = 1, waitLimit: Duration = .seconds(10), _ adjust: (inout PostgresConfiguration) -> Void = { _ in }
    ) async throws -> ConnectionPool {
        var configuration = try await PostgresCluster.database()
        adjust(&configuration)
        return ConnectionPool(configuration, size: size, waitLimit: waitLimit)
    }

    private func backend(_ pool: ConnectionPool) async throws -> Int {
        try await pool.query("SELECT pg_backend_pid() AS pid")[0].decode("pid")
    }

    @Test func `a session is set as configured, and only so`() async throws {
        let pool = try await pool {
            $0.searchPath = ["sign", "we\"ird"]
            $0.applicationName = "countersign-test"
            $0.sessionSettings = ["enable_seqscan": "off", "statement_timeout": "7s"]
        }
        let row = try await pool.query(
            """
            SELECT current_setting('search_path') AS path, current_setting('application_name') AS name,
                   current_setting('enable_seqscan') AS seqscan, current_setting('statement_timeout') AS timeout,
                   current_setting('enable_hashjoin') AS hashjoin
            """)[0]
        #expect(try row.decode("path") == "\"sign\", \"we\"\"ird\"")
        #expect(try row.decode("name") == "countersign-test")
        #expect(try row.decode("seqscan") == "off")
        #expect(try row.decode("timeout") == "7s")
        #expect(try row.decode("hashjoin") == "on")
        await pool.close()
    }

    @Test func `a setting that the server refuses is a fault of the configuration`() async throws {
        let pool = try await pool { $0.sessionSettings = ["enable_seqscan": "maybe"] }
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(error?.code == "postgres.configuration")
        await pool.close()
    }

    @Test func `the deadline cancels the statement and the connection stays`() async throws {
        let pool = try await pool { $0.statementDeadline = .milliseconds(100) }
        let before = try await backend(pool)
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT pg_sleep(30)") }
        guard case .deadline(_, _, settled: true) = error else {
            Issue.record("expected a settled deadline, got \(String(describing: error))")
            return
        }
        #expect(error?.isTransient == true)
        #expect(error?.answerMayBeLost == false)
        #expect(try await backend(pool) == before)
        await pool.close()
    }

    @Test func `a session's deadline is for all of its statements together`() async throws {
        let pool = try await pool()
        let began = ContinuousClock.now
        let error = await #expect(throws: PostgresError.self) {
            try await pool.withSession(deadline: .milliseconds(300)) { session in
                for _ in 1...1_000 { _ = try session.query("SELECT pg_sleep(0.1)") }
            }
        }
        #expect(error?.code == "postgres.deadline")
        #expect(.now - began < .seconds(60))
        await pool.close()
    }

    @Test func `a pool that is busy refuses after its wait limit`() async throws {
        let pool = try await pool(size: 1, waitLimit: .milliseconds(50))
        let release = Shared(false)
        let entered = Shared(false)
        async let holder: Void = pool.withSession { _ in
            entered.withLock { $0 = true }
            while !release.withLock({ $0 }) { pause() }
        }
        try await eventually { entered.withLock { $0 } }
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(error?.code == "postgres.pool_exhausted")
        #expect(error?.isTransient == true)
        release.withLock { $0 = true }
        try await holder
        #expect(try await pool.query("SELECT 1 AS n").count == 1)
        await pool.close()
    }

    @Test func `cancelling a waiting task takes it out of the queue`() async throws {
        let pool = try await pool(size: 1, waitLimit: .seconds(60))
        let release = Shared(false)
        let entered = Shared(false)
        let ran = Shared(false)
        async let holder: Void = pool.withSession { _ in
            entered.withLock { $0 = true }
            while !release.withLock({ $0 }) { pause() }
        }
        try await eventually { entered.withLock { $0 } }
        let waiting = Task { try await pool.withSession { _ in ran.withLock { $0 = true } } }
        waiting.cancel()
        await #expect(throws: PostgresError.cancelled) { try await waiting.value }
        release.withLock { $0 = true }
        try await holder
        _ = try await pool.query("SELECT 1")
        #expect(!ran.withLock { $0 })
        await pool.close()
    }

    @Test func `waiters are served in the order of their arrival`() async throws {
        let pool = try await pool(size: 1, waitLimit: .seconds(60))
        let order = Shared<[Int]>([])
        let release = Shared(false)
        let entered = Shared(false)
        async let holder: Void = pool.withSession { _ in
            entered.withLock { $0 = true }
            while !release.withLock({ $0 }) { pause() }
        }
        try await eventually { entered.withLock { $0 } }
        var tasks: [Task<Void, any Error>] = []
        for number in 1...5 {
            tasks.append(Task { try await pool.withSession { _ in order.withLock { $0.append(number) } } })
            try await eventually { pool.waiting == number }
        }
        release.withLock { $0 = true }
        try await holder
        for task in tasks { try await task.value }
        #expect(order.withLock { $0 } == [1, 2, 3, 4, 5])
        await pool.close()
    }

    @Test func `a backend killed in a statement gives a transient error, and the pool recovers`() async throws {
        let pool = try await pool(size: 1)
        let other = try await PostgresCluster.pool()
        let victim = try await backend(pool)
        async let failing: Void = {
            let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT pg_sleep(60)") }
            #expect(error?.code == "postgres.connection_lost")
            #expect(error?.sqlState == "57P01")
            #expect(error?.isTransient == true)
            #expect(error?.answerMayBeLost == true)
        }()
        try await eventually {
            try await !other.query("SELECT FROM pg_stat_activity WHERE pid = \(victim) AND query LIKE '%pg_sleep(60)%'")
                .isEmpty
        }
        try await other.execute("SELECT pg_terminate_backend(\(Int32(victim)))")
        await failing
        #expect(try await backend(pool) != victim)
        await pool.close()
        await other.close()
    }

    @Test func `a backend killed between statements is replaced unnoticed`() async throws {
        let pool = try await pool(size: 1)
        let other = try await PostgresCluster.pool()
        let victim = try await backend(pool)
        try await other.execute("SELECT pg_terminate_backend(\(Int32(victim)))")
        try await eventually { try await other.query("SELECT FROM pg_stat_activity WHERE pid = \(victim)").isEmpty }
        #expect(try await backend(pool) != victim)
        await pool.close()
        await other.close()
    }

    @Test func `a statement that the server forgot is prepared again`() async throws {
        let pool = try await pool(size: 1)
        #expect(try await pool.query("SELECT \(1) AS n")[0].decode("n", as: Int.self) == 1)
        try await pool.execute("DEALLOCATE ALL")
        #expect(try await pool.query("SELECT \(2) AS n")[0].decode("n", as: Int.self) == 2)
        await pool.close()
    }

    @Test func `a statement whose result changed with the schema is prepared again`() async throws {
        let pool = try await pool(size: 1)
        try await pool.execute("CREATE TABLE thing (a int)")
        try await pool.execute("INSERT INTO thing VALUES (1)")
        #expect(try await pool.query("SELECT * FROM thing")[0].columns == ["a"])
        try await pool.execute("ALTER TABLE thing ADD b int")
        #expect(try await pool.query("SELECT * FROM thing")[0].columns == ["a", "b"])
        await pool.close()
    }

    @Test func `no more statements stay prepared than the cache holds`() async throws {
        let pool = try await pool(size: 1)
        let prepared = try await pool.withSession(deadline: .seconds(60)) { session in
            for n in 1...230 { _ = try session.query(Query(unsafeSQL: "SELECT \(n)")) }
            return try session.query("SELECT count(*) AS n FROM pg_prepared_statements")[0].decode("n", as: Int.self)
        }
        #expect((190...201).contains(prepared))
        await pool.close()
    }

    @Test func `without preparing nothing stays on the server`() async throws {
        let pool = try await pool(size: 1) { $0.preparesStatements = false }
        #expect(try await pool.query("SELECT \(7) AS n")[0].decode("n", as: Int.self) == 7)
        let count: Int = try await pool.query("SELECT count(*) AS n FROM pg_prepared_statements")[0].decode("n")
        #expect(count == 0)
        await pool.close()
    }

    @Test func `a closed pool refuses, and has closed its connections`() async throws {
        let pool = try await pool(size: 2)
        let victim = try await backend(pool)
        await pool.close()
        await #expect(throws: PostgresError.closed) { try await pool.query("SELECT 1") }
        let other = try await PostgresCluster.pool()
        try await eventually { try await other.query("SELECT FROM pg_stat_activity WHERE pid = \(victim)").isEmpty }
        await other.close()
    }

    @Test func `a big value goes and comes whole`() async throws {
        let pool = try await pool(size: 1)
        let big = [UInt8](repeating: 0xA5, count: 8 << 20)
        let row = try await pool.query("SELECT \(big) AS same, sha256(\(big)) = sha256(\(big)) AS equal")[0]
        #expect(try row.decode("same", as: [UInt8].self) == big)
        #expect(try row.decode("equal") == true)
        await pool.close()
    }
}
