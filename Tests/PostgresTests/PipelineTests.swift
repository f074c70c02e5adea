import Postgres
import Support
import Testing

@Suite struct PipelineTests {
    private func pool() async throws -> ConnectionPool {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: 1)
        try await pool.execute("CREATE TABLE item (n int PRIMARY KEY)")
        return pool
    }

    private func count(_ pool: ConnectionPool) async throws -> Int {
        try await pool.query("SELECT count(*) AS n FROM item")[0].decode("n")
    }

    @Test(arguments: [true, false])
    func `the answers come in the order of the statements`(prepares: Bool) async throws {
        var configuration = try await PostgresCluster.shared().administrator
        configuration.preparesStatements = prepares
        let pool = ConnectionPool(configuration, size: 1)
        for _ in 1...2 {
            let answers = try await pool.withSession { session in
                try session.pipeline((0..<300).map { "SELECT \($0) AS n" } + ["SELECT 'last' AS t"])
            }
            #expect(try answers.dropLast().map { try $0[0].decode("n", as: Int.self) } == Array(0..<300))
            #expect(try answers.last?[0].decode("t") == "last")
        }
        #expect(try await pool.query("SELECT 1 AS n").count == 1)
        await pool.close()
    }

    @Test func `one failing statement undoes all of them, and is the one named`() async throws {
        let pool = try await pool()
        let error = await #expect(throws: PostgresError.self) {
            try await pool.withSession { session in
                try session.pipeline([
                    "INSERT INTO item VALUES (1)", "INSERT INTO item VALUES (1)", "INSERT INTO item VALUES (2)",
                ])
            }
        }
        #expect(error?.sqlState == "23505")
        #expect(try await count(pool) == 0)
        await pool.close()
    }

    @Test func `what fails only when the pipeline commits is an error too`() async throws {
        let pool = try await pool()
        try await pool.execute("CREATE TABLE child (n int REFERENCES item DEFERRABLE INITIALLY DEFERRED)")
        let error = await #expect(throws: PostgresError.self) {
            try await pool.withSession { try $0.pipeline(["INSERT INTO child VALUES (1)", "SELECT 1"]) }
        }
        #expect(error?.sqlState == "23503")
        #expect(try await pool.query("SELECT FROM child").isEmpty)
        await pool.close()
    }

    @Test func `a pipeline within a transaction ends with it`() async throws {
        let pool = try await pool()
        struct Refusal: Error {}
        await #expect(throws: Refusal.self) {
            try await pool.transaction { session in
                _ = try session.pipeline(["INSERT INTO item VALUES (1)", "INSERT INTO item VALUES (2)"])
                throw Refusal()
            }
        }
        #expect(try await count(pool) == 0)
        await pool.close()
    }

    @Test func `a pipeline keeps its deadline and the connection`() async throws {
        let pool = try await pool()
        let pid: Int = try await pool.query("SELECT pg_backend_pid() AS p")[0].decode("p")
        let error = await #expect(throws: PostgresError.self) {
            try await pool.withSession(deadline: .milliseconds(100)) { session in
                try session.pipeline(["INSERT INTO item VALUES (1)", "SELECT pg_sleep(30)", "SELECT 1"])
            }
        }
        #expect(error?.code == "postgres.deadline")
        #expect(error?.answerMayBeLost == false)
        #expect(try await count(pool) == 0)
        #expect(try await pool.query("SELECT pg_backend_pid() AS p")[0].decode("p") == pid)
        await pool.close()
    }

    @Test func `big requests and big answers do not wait for each other`() async throws {
        let pool = try await pool()
        let block = [UInt8](repeating: 7, count: 1 << 20)
        let answers = try await pool.withSession(deadline: .seconds(60)) { session in
            try session.pipeline((0..<24).map { _ in "SELECT \(block) AS b" })
        }
        #expect(answers.count == 24)
        #expect(try answers.allSatisfy { try $0[0].decode("b", as: [UInt8].self) == block })
        await pool.close()
    }

    @Test func `statements that the server forgot are prepared again`() async throws {
        let pool = try await pool()
        for _ in 1...2 {
            let rows = try await pool.withSession { try $0.pipeline(["SELECT \(1) AS n", "SELECT \("x") AS t"]) }
            #expect(try rows[0][0].decode("n", as: Int.self) == 1)
            try await pool.execute("DEALLOCATE ALL")
        }
        await pool.close()
    }
}
