import FoundationEssentials
import Postgres
import Support
import Testing

@testable import Countersign

/// What a migration that takes long needs for itself.
@Suite struct MigrationLocksTests {
    private func folder(_ files: ArraySlice<String>) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        for file in files {
            let text = try #require(FileManager.default.contents(atPath: "\(packageRoot)/migrations/\(file)"))
            try folder.write(String(decoding: text, as: UTF8.self), to: file)
        }
        return folder
    }

    @Test func `the indexes by issuer are built while a dump reads all tables`() async throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: packageRoot + "/migrations").sorted()
        let last = try #require(files.firstIndex { $0.hasSuffix("_entries_by_issuer.up.sql") })
        let (before, after) = (try folder(files[..<last]), try folder(files[...last]))
        let configuration = try await PostgresCluster.database()
        _ = try await Migrator(directory: before.path).migrate(using: configuration)

        let pool = ConnectionPool(configuration, size: 1)
        let hold = TransactionHold()
        let dump = Task {
            try await pool.transaction { session in
                for row in try session.query("SELECT tablename FROM pg_tables WHERE schemaname = 'countersign'") {
                    let table: String = try row.decode("tablename")
                    _ = try session.execute(
                        Query(unsafeSQL: "LOCK TABLE countersign.\"\(table)\" IN ACCESS SHARE MODE"))
                }
                try hold.wait(in: session)
            }
        }
        try await eventually("the dump reads") { hold.isReached }
        var patience = Migrator.LockPatience()
        patience.tries = 1
        let migrator = try Migrator(directory: after.path, patience: patience)
        #expect(try await migrator.migrate(using: configuration).map(\.name) == [files[last]])
        hold.release()
        try await dump.value
        await pool.close()
        withExtendedLifetime((before, after)) {}
    }
}
