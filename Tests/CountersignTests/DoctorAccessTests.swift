import Postgres
import Support
import Testing

@testable import Countersign

/// The doctor at every way to the database that is configured.
@Suite struct DoctorAccessTests {
    private let fixture: QueueFixture
    private let port: Int

    init() async throws {
        fixture = try await QueueFixture()
        port = try await PostgresCluster.shared().port
    }

    private func access(_ role: String, to name: String? = nil) -> DatabaseConfiguration.Access {
        let name = name ?? fixture.configuration.database ?? ""
        return .init(url: Secret("postgresql://\(role)@127.0.0.1:\(port)/\(name)?sslmode=disable"))
    }

    private func findings(_ change: (inout DatabaseConfiguration) -> Void) async -> [DoctorFinding] {
        var configuration = Configuration.doors
        configuration.database = DatabaseConfiguration(url: access("postgres").url)
        change(&configuration.database)
        return await Doctor(configuration, .init(migrations: packageRoot + "/migrations"), http: SigningLine.http)
            .databaseFindings()
    }

    @Test func `each way that is configured is tried, and what is not configured is not`() async throws {
        let (role, pool) = try await fixture.role(.intake)
        await pool.close()
        let all = await findings {
            ($0.intake, $0.direct, $0.migrate) = (access(role), access("postgres"), access("postgres"))
        }
        for check in ["database intake", "database direct", "database migrate"] {
            let finding = try #require(all.first { $0.check == check }, "\(all.map(\.check))")
            #expect(finding.verdict == .ok, "\(finding)")
        }
        let intake = try #require(all.first { $0.check == "database intake" })
        #expect(intake.facts["role"] == role)
        let without = await findings { _ in }
        #expect(!without.contains { ["database intake", "database direct", "database migrate"].contains($0.check) })
    }

    @Test func `each fault has a name, and a fix that names its key`() async throws {
        let (reader, pool) = try await fixture.role(.read)
        await pool.close()
        let away = DatabaseConfiguration.Access(url: Secret("postgresql://postgres@127.0.0.1:1/none?sslmode=disable"))
        func expect(
            _ code: String, at check: String, _ words: String, _ change: (inout DatabaseConfiguration) -> Void
        ) async throws {
            let all = await findings(change)
            let finding = try #require(all.first { $0.check == check })
            #expect(finding.verdict == .failed && finding.code == code, "\(finding)")
            #expect(finding.fix?.contains(words) == true, "\(finding)")
        }
        try await expect("postgres.refused", at: "database intake", "database.intake") {
            $0.intake = access("nobody_here")
        }
        try await expect("postgres.unavailable", at: "database direct", "database.direct") { $0.direct = away }
        try await expect("database.migrations_pending", at: "database intake", "database.intake") {
            $0.intake = access("postgres", to: "postgres")
        }
        try await expect("database.role", at: "database intake", "--grant intake=\(reader)") {
            $0.intake = access(reader)
        }
        try await expect("database.role", at: "database migrate", "database.migrate") { $0.migrate = access(reader) }
    }

    @Test func `an intake that forgets is told of`() async throws {
        let (role, pool) = try await fixture.role(.intake)
        await pool.close()
        try await fixture.pool.execute(Query(unsafeSQL: "ALTER ROLE \(role) SET synchronous_commit = off"))
        let all = await findings { $0.intake = access(role) }
        let finding = try #require(all.first { $0.check == "database intake" })
        #expect(finding.verdict == .warning && finding.observed.contains("synchronous_commit off"), "\(finding)")
    }
}
