import FoundationEssentials
import Postgres
import Support
import Testing

@Suite struct MigratorTests {
    private func folder(_ files: [String: String]) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for (name, content) in files { try directory.write(content, to: name) }
        return directory
    }

    /// A migrator over these files; it has read them before the folder goes away.
    private func migrator(
        _ files: [String: String], patience: Migrator.LockPatience = .init()
    ) throws -> Migrator {
        let directory = try folder(files)
        return try withExtendedLifetime(directory) { try Migrator(directory: directory.path, patience: patience) }
    }

    private let three = [
        "001_first.up.sql": "CREATE TABLE a (n int);\nCREATE TABLE b (n int);",
        "002_second.up.sql": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;",
        "003_third_one.up.sql": "INSERT INTO a VALUES (1), (2);",
        "README.md": "not a migration",
    ]

    @Test func `a fresh database gets every file in order, and a second run nothing`() async throws {
        let configuration = try await PostgresCluster.database()
        let migrator = try self.migrator(three)
        #expect(try await migrator.status(using: configuration).pending.count == 3)
        let applied = try await migrator.migrate(using: configuration)
        #expect(applied.map(\.name) == ["001_first.up.sql", "002_second.up.sql", "003_third_one.up.sql"])
        #expect(applied[0].checksum == "27600cf8925178c14f750dc546064f733b3145f4bd54c8d62e2fb6cc2353821d")
        #expect(try await migrator.migrate(using: configuration).isEmpty)
        let status = try await migrator.status(using: configuration)
        #expect(status.isCurrent)
        #expect(status.applied == applied)
        let pool = ConnectionPool(configuration, size: 1)
        #expect(try await pool.query("SELECT * FROM a").count == 2)
        await pool.close()
    }

    @Test func `the ledger lies in the first schema of the search path`() async throws {
        var configuration = try await PostgresCluster.database()
        configuration.searchPath = ["sign", "public"]
        _ = try await migrator(three).migrate(using: configuration)
        let pool = ConnectionPool(configuration, size: 1)
        #expect(try await pool.query("SELECT * FROM sign.schema_migration").count == 3)
        #expect(try await pool.query("SELECT * FROM sign.a").count == 2)
        await pool.close()
    }

    @Test func `a file changed after it was applied is refused`() async throws {
        let configuration = try await PostgresCluster.database()
        _ = try await migrator(three).migrate(using: configuration)
        var changed = three
        changed["002_second.up.sql"]? += " "
        changed["004_more.up.sql"] = "CREATE TABLE never (n int)"
        let migrator = try self.migrator(changed)
        let fault = MigrationFault.checksum(file: "002_second.up.sql")
        await #expect(throws: PostgresError.migration(fault)) { try await migrator.migrate(using: configuration) }
        #expect(try await migrator.status(using: configuration).fault == fault)
    }

    @Test func `a database newer than the program is refused`() async throws {
        let configuration = try await PostgresCluster.database()
        _ = try await migrator(three).migrate(using: configuration)
        let older = try migrator(["001_first.up.sql": three["001_first.up.sql"] ?? ""])
        await #expect(throws: PostgresError.migration(.newer(database: 3, code: 1))) {
            try await older.migrate(using: configuration)
        }
        #expect(try await !older.status(using: configuration).isCurrent)
    }

    @Test func `a table that somebody reads is waited for without holding up others`() async throws {
        let configuration = try await PostgresCluster.database()
        _ = try await migrator(three).migrate(using: configuration)
        let more = three.merging(["004_more.up.sql": "ALTER TABLE a ADD COLUMN m int"]) { $1 }
        var patience = Migrator.LockPatience()
        (patience.wait, patience.pause, patience.tries) = (.milliseconds(50), .milliseconds(50), 3)
        let hasty = try migrator(more, patience: patience)
        patience.tries = 1_000
        let patient = try migrator(more, patience: patience)

        let (gate, pool) = (ConnectionPool(configuration, size: 1), ConnectionPool(configuration, size: 2))
        _ = try await gate.query("SELECT pg_advisory_lock(7)")
        let reading = Task {
            try await pool.transaction { session in
                _ = try session.query("SELECT FROM a")
                _ = try session.query("SELECT pg_advisory_xact_lock(7)")
            }
        }
        try await eventually("somebody reads the table") {
            try await !gate.query(
                """
                SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                """
            ).isEmpty
        }
        let error = await #expect(throws: PostgresError.self) { try await hasty.migrate(using: configuration) }
        guard case .migration(.failed(_, let report, _)) = error else {
            throw SupportError("\(String(describing: error))")
        }
        #expect(report.sqlState == "55P03")
        let migrating = Task { try await patient.migrate(using: configuration) }
        for _ in 0..<20 { #expect(try await pool.query("SELECT FROM a").count == 2) }
        #expect(try await patient.status(using: configuration).pending == ["004_more.up.sql"])
        _ = try await gate.query("SELECT pg_advisory_unlock(7)")
        try await reading.value
        #expect(try await migrating.value.map(\.number) == [4])
        await pool.close()
        await gate.close()
    }

    @Test func `a migration that waits for somebody who waits for it is run again`() async throws {
        let configuration = try await PostgresCluster.database()
        _ = try await migrator(three).migrate(using: configuration)
        let more = three.merging(["004_more.up.sql": "LOCK TABLE a, b"]) { $1 }
        var patience = Migrator.LockPatience()
        patience.pause = .milliseconds(50)
        let patient = try migrator(more, patience: patience)

        let (gate, pool) = (ConnectionPool(configuration, size: 1), ConnectionPool(configuration, size: 1))
        let working = Task {
            try await pool.transaction { session in
                // the migration finds the deadlock, and is its victim
                _ = try session.query("SET LOCAL deadlock_timeout = '1h'")
                _ = try session.query("LOCK TABLE b IN ROW EXCLUSIVE MODE")
                while try session.query(Self.locks(granted: false)).isEmpty {
                    _ = try session.query("SELECT pg_sleep(0.01)")
                }
                _ = try session.query("LOCK TABLE a IN ROW EXCLUSIVE MODE")
            }
        }
        try await eventually("somebody works on a table") { try await !gate.query(Self.locks(granted: true)).isEmpty }
        #expect(try await patient.migrate(using: configuration).map(\.number) == [4])
        try await working.value
        await pool.close()
        await gate.close()
    }

    /// Locks of the table `b` of this database.
    private static func locks(granted: Bool) -> Query {
        """
        SELECT FROM pg_locks WHERE relation = 'b'::regclass AND granted = \(granted)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    }

    @Test func `a newer program's migration that suits this one is left as it is`() async throws {
        let configuration = try await PostgresCluster.database()
        var newer = three
        newer["004_more.up.sql"] = "-- More.\n-- compatible from: 3\nCREATE TABLE more (n int)"
        let applied = try await migrator(newer).migrate(using: configuration)
        #expect(applied.map(\.compatibleFrom) == [1, 2, 3, 3])
        let older = try migrator(three)
        #expect(try await older.migrate(using: configuration).isEmpty)
        let status = try await older.status(using: configuration)
        #expect(status.isCurrent && status.ahead == ["004_more.up.sql"])
        let pool = ConnectionPool(configuration, size: 1)
        #expect(try await older.overtaken(pool) == nil)
        let oldest = try migrator(three.filter { $0.key != "003_third_one.up.sql" })
        #expect(try await oldest.overtaken(pool) == .newer(database: 4, code: 2))
        await pool.close()
    }

    @Test func `a ledger of before learns whom migrations suit`() async throws {
        let configuration = try await PostgresCluster.database()
        _ = try await migrator(three).migrate(using: configuration)
        let pool = ConnectionPool(configuration, size: 1)
        try await pool.execute("ALTER TABLE public.schema_migration DROP COLUMN compatible_from")
        #expect(try await migrator(three).status(using: configuration).applied.map(\.compatibleFrom) == [1, 2, 3])
        var newer = three
        newer["004_more.up.sql"] = "-- compatible from: 2\nSELECT 1"
        #expect(try await migrator(newer).migrate(using: configuration).map(\.compatibleFrom) == [2])
        #expect(try await migrator(newer).status(using: configuration).applied.map(\.compatibleFrom) == [1, 2, 3, 2])
        await pool.close()
    }

    @Test(arguments: ["2", "0", "one", ""])
    func `a migration that names another than an earlier one is refused`(number: String) {
        let error = #expect(throws: PostgresError.self) {
            try migrator(["001_first.up.sql": "-- compatible from: \(number)\nSELECT 1"])
        }
        #expect(error?.code == "migration.malformed")
    }

    @Test func `a failing file is rolled back, named with its line, and what came before stays`() async throws {
        let configuration = try await PostgresCluster.database()
        var broken = three
        broken["002_second.up.sql"] = "CREATE TABLE c (n int);\n\nSELECT * FROM nowhere;"
        let migrator = try self.migrator(broken)
        let error = await #expect(throws: PostgresError.self) { try await migrator.migrate(using: configuration) }
        guard case .migration(.failed(file: "002_second.up.sql", _, line: 3)) = error else {
            Issue.record("expected a failed migration, got \(String(describing: error))")
            return
        }
        #expect(error?.sqlState == "42P01")
        #expect(try await migrator.status(using: configuration).applied.count == 1)
        let pool = ConnectionPool(configuration, size: 1)
        #expect(try await pool.query("SELECT to_regclass('c') IS NULL AS gone")[0].decode("gone") == true)
        await pool.close()
    }

    @Test func `a file that commits by itself is refused`() async throws {
        let configuration = try await PostgresCluster.database()
        let migrator = try self.migrator(["001_sly.up.sql": "CREATE TABLE a (n int); COMMIT;"])
        let error = await #expect(throws: PostgresError.self) { try await migrator.migrate(using: configuration) }
        #expect(error?.code == "migration.malformed")
    }

    @Test func `of many migrators at once exactly one applies each file`() async throws {
        let configuration = try await PostgresCluster.database()
        let migrator = try self.migrator(three)
        let applied = try await withThrowingTaskGroup { group in
            for _ in 1...8 { group.addTask { try await migrator.migrate(using: configuration) } }
            return try await group.reduce(into: [AppliedMigration]()) { $0 += $1 }
        }
        #expect(applied.map(\.number).sorted() == [1, 2, 3])
    }

    @Test(arguments: [
        (["001_a.up.sql", "003_c.up.sql"], "migration.gap"), (["002_b.up.sql"], "migration.gap"),
        (["001_a.up.sql", "001_b.up.sql"], "migration.malformed"), (["001_a.sql"], "migration.malformed"),
        (["001_a.up.sql", "001_a.down.sql"], "migration.malformed"), (["1_a.up.sql"], "migration.malformed"),
        (["001_A.up.sql"], "migration.malformed"), (["001_.up.sql"], "migration.malformed"),
        (["001a.up.sql"], "migration.malformed"), (["000_a.up.sql"], "migration.malformed"),
        ([], "migration.malformed"),
    ])
    func `a folder that is no sequence of migrations is refused`(names: [String], code: String) throws {
        let files = Dictionary(uniqueKeysWithValues: names.map { ($0, "SELECT 1") })
        let error = #expect(throws: PostgresError.self) { try migrator(files) }
        #expect(error?.code == code)
    }

    @Test func `a folder that is not there is refused`() {
        #expect(throws: PostgresError.self) { try Migrator(directory: "/nonexistent/migrations") }
    }
}
