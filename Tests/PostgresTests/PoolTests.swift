import FoundationEssentials
import Postgres
import Support
import Testing

@Suite struct PoolTests {
    @Test func `a query returns its rows`() async throws {
        let pool = ConnectionPool(try await PostgresCluster.database(), size: 2)
        let rows = try await pool.query("SELECT \(40) + 2 AS n, \("x") || 'y' AS t")
        #expect(try rows[0].decode("n", as: Int.self) == 42)
        #expect(try rows[0].decode("t", as: String.self) == "xy")
        await pool.close()
    }
}
