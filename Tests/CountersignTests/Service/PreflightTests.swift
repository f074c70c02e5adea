import Glibc
import Postgres
import Support
import Testing

@testable import Countersign

/// What `serve` looks at before it starts.
@Suite struct PreflightTests {
    private func preflight(_ database: DatabaseConfiguration, in environment: Configuration.Environment) async throws {
        var configuration = Configuration.doors
        (configuration.database, configuration.environment) = (database, environment)
        try await Preflight(configuration).database(migrations: packageRoot + "/migrations")
    }

    private static func database(_ url: String, intake: String? = nil) -> DatabaseConfiguration {
        var database = DatabaseConfiguration(url: Secret("postgresql://\(url)"))
        database.intake = intake.map { .init(url: Secret("postgresql://\($0)")) }
        return database
    }

    /// A cluster that keeps what was committed, and a database with a role for each purpose.
    private func durable() async throws -> (cluster: PostgresCluster, owner: PostgresConfiguration) {
        let cluster = try await PostgresCluster()
        let administrator = ConnectionPool(cluster.administrator, size: 1, waitLimit: .seconds(60))
        try await administrator.execute("ALTER SYSTEM SET fsync = on")
        await administrator.close()
        try await cluster.restartImmediately()
        let owner = try await cluster.database(migratedFrom: "migrations")
        let pool = ConnectionPool(owner, size: 1, waitLimit: .seconds(60))
        for role in ["work", "intake"] { try await pool.execute(Query(unsafeSQL: "CREATE ROLE \(role) LOGIN")) }
        await pool.close()
        _ = try await DatabaseRoles(connection: owner).grant([(.work, "work"), (.intake, "intake")])
        return (cluster, owner)
    }

    @Test func `in production each role that commits must keep what it commits`() async throws {
        let (cluster, owner) = try await durable()
        let name = try #require(owner.database)
        let address = "127.0.0.1:\(cluster.port)/\(name)?sslmode=disable"
        let database = Self.database("work@\(address)", intake: "intake@\(address)")
        try await preflight(database, in: .production)

        let pool = ConnectionPool(owner, size: 1, waitLimit: .seconds(60))
        for (role, key) in [("work", "database.url"), ("intake", "database.intake")] {
            try await pool.execute(Query(unsafeSQL: "ALTER ROLE \(role) SET synchronous_commit = off"))
            let error = await #expect(throws: PreflightError.self) { try await preflight(database, in: .production) }
            #expect(error == PreflightError.databaseForgets(setting: "synchronous_commit", key: key))
            #expect(error?.code == "database.not_durable" && error?.observed.contains(key) == true)
            try await preflight(database, in: .development)
            try await pool.execute(Query(unsafeSQL: "ALTER ROLE \(role) RESET synchronous_commit"))
        }
        await pool.close()
        try await preflight(database, in: .production)
        let forgetful = Self.database(
            "work@\(address)", intake: "intake@\(address)&options=-csynchronous_commit%3Doff")
        await #expect(throws: PreflightError.databaseForgets(setting: "synchronous_commit", key: "database.intake")) {
            try await preflight(forgetful, in: .production)
        }
        withExtendedLifetime(cluster) {}
    }

    @Test func `a server that forgets is refused in production, and a role that cannot connect everywhere`()
        async throws
    {
        let fixture = try await QueueFixture()
        let name = try #require(fixture.configuration.database)
        let port = try await PostgresCluster.shared().port
        let address = "127.0.0.1:\(port)/\(name)?sslmode=disable"
        let database = Self.database("postgres@\(address)")
        await #expect(throws: PreflightError.databaseForgets(setting: "fsync", key: "database.url")) {
            try await preflight(database, in: .production)
        }
        try await preflight(database, in: .development)
        let closed = Self.database("postgres@\(address)", intake: "nobody_here@\(address)")
        let error = await #expect(throws: PreflightError.self) { try await preflight(closed, in: .development) }
        #expect(error?.code == "postgres.refused" && error?.fix.contains("database.intake") == true)
        withExtendedLifetime(fixture) {}
    }

    @Test func `no core dump is written, nor given to a program`() {
        func limit() -> rlimit {
            var limit = rlimit()
            #expect(getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0)
            return limit
        }
        let before = limit()
        Preflight.forbidCoreDumps()
        // with zero the kernel would give one to a program
        #expect(limit().rlim_cur == 1 || before.rlim_max == 0)
    }
}
