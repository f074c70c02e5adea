import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

extension QueueFixture {
    /// Lets rows in that only the owner of the table could have made.
    func liftRepositoryRule() async throws {
        try await pool.execute("ALTER TABLE countersign.repository DROP CONSTRAINT repository_spelling")
    }
}

/// The table of repositories takes what we read as one, and nothing else.
@Suite struct RepositoryTableTests {
    private static let label63 = String(repeating: "a", count: 63)
    private static let registries = [
        "registry.example.com", "localhost", "127.0.0.1:5000", "r:1", "r:65535", "r:00080", "a-b--c.d1", "[::1]",
        "[::1]:5000",
        "[fe80::1.2.3.4]", "[1:]", "[::]", "[\(String(repeating: ":", count: 39))]", label63, "\(label63).example",
        "xn--bcher-kva.example",
        // none
        "", "r:", "r:0", "r:65536", "r:99999", "r:100000", "r:8o", "r:80:80", "-r", "r-", "r.", ".r", "r..s", "r_s",
        "r s", "é.example",
        "r/", "https://r", "user@r", "[]", "[:]", "[1234]", "[::1", "[::g]", "::1", "[::1]x",
        "[\(String(repeating: ":", count: 40))]",
        "\(label63)a", "r\n", "r\r\n",
    ]
    private static let names = [
        "a", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a---b", "0/1", String(repeating: "a", count: 230),
        // none
        "", "/", "/a", "a/", "a//b", "A", "a___b", "a_-b", "a.-b", "a..b", ".a", "a.", "-a", "a-", "a b", "a:b", "a@b",
        "é", "a\n", "a\u{301}",
        "a/\u{301}b", "no///repository", String(repeating: "a", count: 256),
    ]

    private func takes(_ fixture: QueueFixture, _ registry: String, _ name: String) async throws -> Bool {
        do {
            try await fixture.pool.execute(
                """
                INSERT INTO countersign.repository (registry, name) VALUES (\(registry)::text, \(name)::text)
                ON CONFLICT DO NOTHING
                """)
            return true
        } catch PostgresError.server(let report) {
            // check_violation
            guard report.sqlState == "23514" else { throw PostgresError.server(report) }
            return false
        }
    }

    @Test func `it takes what a repository's name can be`() async throws {
        let fixture = try await QueueFixture()
        let pairs = Self.registries.map { ($0, "team/app") } + Self.names.map { ("registry.example.com", $0) }
        // one character of the whole too many
        let long = String(repeating: "a", count: 254 - "registry.example.com".utf8.count)
        for (registry, name) in pairs + [("registry.example.com", long), ("registry.example.com", long + "a")] {
            let isRepository = (try? Repository(registry: registry, name: name)) != nil
            #expect(try await takes(fixture, registry, name) == isRepository, "\(registry) \(name)")
        }
        // the spelling of registries is ours: one must not be two
        #expect(try await !takes(fixture, "Registry.example.com", "team/app"))
        let (_, intake) = try await fixture.role(.intake)
        await #expect(throws: PostgresError.self) {
            try await intake.execute(
                "INSERT INTO countersign.repository (registry, name) VALUES ('r', 'no///repository')")
        }
        await intake.close()
    }

    @Test func `a row of before by another hand gets a name, and lists answer again`() async throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: packageRoot + "/migrations").sorted()
        let rule = try #require(files.firstIndex { $0.hasSuffix("_tenants_and_names.up.sql") })
        let before = try TemporaryDirectory()
        for file in files[..<rule] {
            let text = try #require(FileManager.default.contents(atPath: "\(packageRoot)/migrations/\(file)"))
            try before.write(String(decoding: text, as: UTF8.self), to: file)
        }
        var configuration = try await PostgresCluster.database()
        configuration.sessionSettings = JobQueue.sessionSettings
        _ = try await Migrator(directory: before.path).migrate(using: configuration)
        let pool = ConnectionPool(configuration, size: 1)
        try await pool.execute(
            """
            WITH made AS (INSERT INTO countersign.repository (registry, name)
                VALUES ('r.example', 'no///repository'), ('R.example', 'a'), ('r.example', 'a') RETURNING id)
            INSERT INTO countersign.target (digest, repository_id, purpose, rule, policy_version)
            SELECT \(sampleDigest("image").description)::text, id, 'signature', 'all', 'v1' FROM made
            """)
        _ = try await Migrator(directory: packageRoot + "/migrations").migrate(using: configuration)
        let names = try await ArtifactRecords(pool: pool).artifacts(ArtifactFilter()).items.map(
            \.repository.description)
        #expect(names.sorted() == ["malformed.invalid/row-1", "malformed.invalid/row-2", "r.example/a"])
        await pool.close()
        withExtendedLifetime(before) {}
    }
}
