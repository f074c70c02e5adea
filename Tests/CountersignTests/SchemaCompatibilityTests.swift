import FoundationEssentials
import Postgres
import Support
import Testing

@testable import Countersign

/// Version N+1 has migrated the database, version N is still there. The next version's migration is invented: it is ours
/// with one file more.
@Suite struct SchemaCompatibilityTests {
    /// The migrations of the next version.
    private func nextVersion(_ sql: String) throws -> (migrator: Migrator, folder: TemporaryDirectory) {
        let folder = try TemporaryDirectory()
        let ours = try FileManager.default.contentsOfDirectory(atPath: packageRoot + "/migrations").sorted()
        for name in ours where name.hasSuffix(".up.sql") {
            let content = try #require(FileManager.default.contents(atPath: "\(packageRoot)/migrations/\(name)"))
            try folder.write(String(decoding: content, as: UTF8.self), to: name)
        }
        let number = try Self.ours.newest + 1
        try folder.write(sql, to: String(repeating: "0", count: 3 - "\(number)".count) + "\(number)_invented.up.sql")
        return (try Migrator(directory: folder.path), folder)
    }

    private static var ours: Migrator { get throws { try Migrator(directory: packageRoot + "/migrations") } }

    private func additive() throws -> String {
        """
        -- Countersign, invented: what comes next.
        -- compatible from: \(try Self.ours.newest)
        ALTER TABLE countersign.job ADD COLUMN colour text NOT NULL DEFAULT 'blue';
        CREATE TABLE countersign.colour (name text PRIMARY KEY);
        """
    }

    /// Looks as `serve` looks before it starts.
    private func preflight(_ fixture: QueueFixture) async throws {
        let database = try #require(fixture.configuration.database)
        let port = try await PostgresCluster.shared().port
        var configuration = Configuration.doors
        configuration.environment = .development
        configuration.database = DatabaseConfiguration(
            url: Secret("postgresql://postgres@127.0.0.1:\(port)/\(database)?sslmode=disable"))
        try await Preflight(configuration).database(migrations: packageRoot + "/migrations")
    }

    private func watch(_ fixture: QueueFixture) throws -> SchemaWatch {
        SchemaWatch(migrator: try Self.ours, pool: fixture.pool, logger: SigningDaemon.silence)
    }

    @Test func `a version works on with the next one's schema, if that says that it can`() async throws {
        let fixture = try await QueueFixture()
        let next = try nextVersion(try additive())
        #expect(try await next.migrator.migrate(using: fixture.configuration).count == 1)

        try await preflight(fixture)
        try await watch(fixture).look()
        let status = try await Self.ours.status(using: fixture.configuration)
        #expect(status.isCurrent && status.ahead.count == 1)
        // its own migrator finds nothing to do, and grants as before
        #expect(try await Self.ours.migrate(using: fixture.configuration).isEmpty)
        _ = try await DatabaseRoles(connection: fixture.configuration).grant([])
        // the work goes on
        try await fixture.push(samplePush(sampleDigest("app")))
        _ = try await fixture.queue.settle(try await fixture.claimOne(), as: .signed(sampleRecord()))
        #expect(try await fixture.state(sampleDigest("app")) == "signed")
        #expect(try await fixture.queue.maintain() == 0)
        withExtendedLifetime(next.folder) {}
    }

    @Test func `a version neither starts nor runs on with a schema that does not suit it`() async throws {
        let fixture = try await QueueFixture()
        try await watch(fixture).look()
        let next = try nextVersion("CREATE TABLE countersign.colour (name text PRIMARY KEY)")
        _ = try await next.migrator.migrate(using: fixture.configuration)

        let fault = MigrationFault.newer(database: next.migrator.newest, code: try Self.ours.newest)
        await #expect(throws: PreflightError.migrationFault("\(fault)")) { try await preflight(fixture) }
        await #expect(throws: PreflightError.migrationFault("\(fault)")) { try await watch(fixture).look() }
        await #expect(throws: PostgresError.migration(fault)) {
            try await Self.ours.migrate(using: fixture.configuration)
        }
        // the service ends with it, and so does the daemon
        let running = SchemaWatch(
            migrator: try Self.ours, pool: fixture.pool, interval: .milliseconds(1), logger: SigningDaemon.silence)
        await #expect(throws: PreflightError.migrationFault("\(fault)")) { try await running.run() }
        withExtendedLifetime(next.folder) {}
    }

    @Test func `one migration that does not suit a version is enough, wherever it comes`() async throws {
        let fixture = try await QueueFixture()
        let number = try Self.ours.newest + 2
        let (_, folder) = try nextVersion("CREATE TABLE countersign.colour (name text PRIMARY KEY)")
        try folder.write(
            "-- compatible from: \(try Self.ours.newest)\nSELECT 1", to: "0\(number)_compatible.up.sql")
        _ = try await Migrator(directory: folder.path).migrate(using: fixture.configuration)
        await #expect(throws: PreflightError.self) { try await preflight(fixture) }
        withExtendedLifetime(folder) {}
    }

    @Test func `a schema that was not looked at does not end the daemon`() async throws {
        let fixture = try await QueueFixture()
        let watch = try watch(fixture)
        await fixture.pool.close()
        try await watch.look()
    }
}
