import Postgres
import Support
import Testing

@Suite struct TransactionTests {
    private struct Refusal: Error {}

    private func pool(_ size: Int = 2) async throws -> ConnectionPool {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: size, waitLimit: .seconds(10))
        try await pool.execute("CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0))")
        try await pool.execute("INSERT INTO account VALUES (1, 100), (2, 100)")
        return pool
    }

    private func balance(_ pool: ConnectionPool, _ id: Int = 1) async throws -> Int {
        try await pool.query("SELECT balance FROM account WHERE id = \(id)")[0].decode("balance")
    }

    @Test func `what the body throws rolls back and is thrown on`() async throws {
        let pool = try await pool()
        await #expect(throws: Refusal.self) {
            try await pool.transaction { session in
                try session.execute("UPDATE account SET balance = 0")
                throw Refusal()
            }
        }
        #expect(try await balance(pool) == 100)
        await pool.close()
    }

    @Test func `what the body returns is committed`() async throws {
        let pool = try await pool()
        let touched = try await pool.transaction { try $0.execute("UPDATE account SET balance = 7") }
        #expect(touched == 2)
        #expect(try await balance(pool) == 7)
        await pool.close()
    }

    @Test func `an error that the body swallows still fails the transaction`() async throws {
        let pool = try await pool()
        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { session in
                try session.execute("UPDATE account SET balance = 5")
                _ = try? session.execute("UPDATE account SET balance = -1")
            }
        }
        #expect(error?.code == "postgres.constraint")
        #expect(try await balance(pool) == 100)
        await pool.close()
    }

    @Test func `a deadlock is run again, and both succeed`() async throws {
        let pool = try await pool(2)
        let attempts = Shared(0)
        let locked = Shared(0)
        @Sendable func transfer(_ from: Int, _ to: Int) async throws {
            try await pool.transaction(deadline: .seconds(30)) { session in
                attempts.withLock { $0 += 1 }
                try session.execute("UPDATE account SET balance = balance - 1 WHERE id = \(from)")
                locked.withLock { $0 += 1 }
                // Both hold their first row before either asks for the second.
                while locked.withLock({ $0 }) < 2 { pause() }
                try session.execute("UPDATE account SET balance = balance + 1 WHERE id = \(to)")
            }
        }
        async let one: Void = transfer(1, 2)
        async let two: Void = transfer(2, 1)
        try await one
        try await two
        #expect((3...8).contains(attempts.withLock { $0 }))
        #expect(try await balance(pool, 1) == 100)
        #expect(try await balance(pool, 2) == 100)
        await pool.close()
    }

    @Test func `a serialization failure is run three times more and then reported`() async throws {
        let pool = try await pool()
        let attempts = Shared(0)
        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { session in
                attempts.withLock { $0 += 1 }
                try session.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
            }
        }
        #expect(error?.code == "postgres.serialization")
        #expect(attempts.withLock { $0 } == 4)
        await pool.close()
    }

    @Test func `other errors are not repeated`() async throws {
        let pool = try await pool()
        let attempts = Shared(0)
        await #expect(throws: PostgresError.self) {
            try await pool.transaction { session in
                attempts.withLock { $0 += 1 }
                try session.execute("UPDATE account SET balance = -1")
            }
        }
        #expect(attempts.withLock { $0 } == 1)
        await pool.close()
    }

    @Test func `a COMMIT that got no answer has a name of its own`() async throws {
        let pool = try await pool(1)
        // The deferred trigger runs inside COMMIT and kills the server process there.
        try await pool.execute(
            """
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END $$
            """)
        try await pool.execute(
            """
            CREATE CONSTRAINT TRIGGER killer AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION die()
            """)
        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { try $0.execute("UPDATE account SET balance = 1 WHERE id = 1") }
        }
        #expect(error?.code == "postgres.commit_unknown")
        #expect(error?.answerMayBeLost == true)
        #expect(try await balance(pool) == 100)
        await pool.close()
    }

    @Test func `a COMMIT that the server refuses is not unknown`() async throws {
        let pool = try await pool(1)
        try await pool.execute(
            "CREATE TABLE child (id int REFERENCES account DEFERRABLE INITIALLY DEFERRED)")
        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { try $0.execute("INSERT INTO child VALUES (99)") }
        }
        #expect(error?.code == "postgres.constraint")
        #expect(error?.answerMayBeLost == false)
        await pool.close()
    }

    @Test func `a transaction left open is rolled back and reported`() async throws {
        let pool = try await pool(1)
        let error = await #expect(throws: PostgresError.self) {
            try await pool.withSession { session in
                try session.execute("BEGIN")
                try session.execute("UPDATE account SET balance = 0")
            }
        }
        #expect(error?.code == "postgres.misuse")
        #expect(try await balance(pool) == 100)
        await pool.close()
    }

    @Test func `a transaction within a transaction is refused`() async throws {
        let pool = try await pool(1)
        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { session in try session.transaction { try session.execute("SELECT 1") } }
        }
        #expect(error?.code == "postgres.misuse")
        #expect(try await balance(pool) == 100)
        await pool.close()
    }
}
