import Postgres
import Support
import Testing

@Suite struct QueryTests {
    @Test func `interpolation binds and never splices`() {
        let input = "'; DROP TABLE job; --"
        let query: Query = "SELECT \(1) WHERE name = \(input) \(unescaped: "ORDER BY id")"
        #expect(query.sql == "SELECT $1 WHERE name = $2 ORDER BY id")
    }

    @Test func `a fragment brings its parameters and is numbered anew`() {
        let none: Query = ""
        let filter: Query = " AND state = \("queued") AND lane = \(Int16(1))"
        let query: Query = "SELECT \(1)\(none)\(filter) LIMIT \(10)"
        #expect(query.sql == "SELECT $1 AND state = $2 AND lane = $3 LIMIT $4")
    }

    @Test func `an attempt at injection is stored as the text it is`() async throws {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: 1)
        try await pool.execute("CREATE TABLE note (body text)")
        let attempt = "x'); DROP TABLE note; SELECT ('"
        #expect(try await pool.execute("INSERT INTO note VALUES (\(attempt))") == 1)
        #expect(try await pool.query("SELECT body FROM note")[0].decode("body") == attempt)
        await pool.close()
    }

    @Test func `one statement is one statement`() async throws {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: 1)
        await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1; SELECT 2") }
        await #expect(throws: PostgresError.self) { try await pool.query("COPY (SELECT 1) TO STDOUT") }
        #expect(try await pool.query("SELECT 1 AS n").count == 1)
        await pool.close()
    }
}
