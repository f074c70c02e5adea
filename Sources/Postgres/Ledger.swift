import FoundationEssentials
import Glibc

/// The table that remembers which migrations were applied. In the first schema of the search path, so that programs that
/// share a database do not share it.
struct Ledger: Sendable {
    /// "csgnmigr" in ASCII: any number will do that nobody else takes.
    static let lockKey: Int64 = 0x6373_676E_6D69_6772

    private let schema: String
    private let table: String

    init(_ configuration: PostgresConfiguration) {
        schema = configuration.searchPath.first ?? "public"
        table = quotedIdentifier(schema) + ".schema_migration"
    }

    func exists(_ session: Session) throws(PostgresError) -> Bool {
        try session.query("SELECT to_regclass(\(table)) IS NOT NULL")[0].decode(0)
    }

    func create(_ session: Session) throws(PostgresError) {
        // IF NOT EXISTS would ask for the right to create even when there is nothing to create.
        let found = try session.query("SELECT FROM pg_namespace WHERE nspname = \(schema)")
        if found.isEmpty { try session.script("CREATE SCHEMA " + quotedIdentifier(schema)) }
        guard try !exists(session) else { return try extend(session) }
        try session.script(
            """
            CREATE TABLE \(table) (
                number int PRIMARY KEY CHECK (number > 0),
                name text NOT NULL,
                checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
                applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                compatible_from int CHECK (compatible_from BETWEEN 1 AND number))
            """)
    }

    /// A ledger of before migrations said whom they suit. What has no such number suits only those who know it.
    private func extend(_ session: Session) throws(PostgresError) {
        let found = try session.query(
            "SELECT FROM pg_attribute WHERE attrelid = to_regclass(\(table)) AND attname = 'compatible_from'")
        guard found.isEmpty else { return }
        try session.script(
            "ALTER TABLE \(table) ADD COLUMN compatible_from int CHECK (compatible_from BETWEEN 1 AND number)")
    }

    /// - Parameter number: only those after it.
    func read(_ session: Session, after number: Int = 0) throws(PostgresError) -> [AppliedMigration] {
        // by way of JSON: an older program's ledger does not have the column
        let sql = """
            SELECT number, name, checksum, applied_at,
                coalesce((to_jsonb(m)->>'compatible_from')::int, number) AS compatible_from
            FROM \(table) m WHERE number > \(number) ORDER BY number
            """
        return try session.query(Query(unsafeSQL: sql)).map { row throws(PostgresError) in try migration(row) }
    }

    /// Runs one file and records it, both or neither.
    func apply(
        _ file: MigrationFile, _ checksum: String, _ session: Session, _ patience: Migrator.LockPatience
    ) throws(PostgresError) -> AppliedMigration {
        for _ in 1..<max(1, patience.tries) {
            do { return try applyOnce(file, checksum, session, patience) } catch {
                guard error.lacksLock else { throw error }
                usleep(UInt32(patience.pause / .microseconds(1)))
            }
        }
        return try applyOnce(file, checksum, session, patience)
    }

    private func applyOnce(
        _ file: MigrationFile, _ checksum: String, _ session: Session, _ patience: Migrator.LockPatience
    ) throws(PostgresError) -> AppliedMigration {
        let sql = String(decoding: file.sql, as: UTF8.self)
        do {
            return try session.transaction { () throws(PostgresError) in
                try session.script("SET LOCAL lock_timeout = \(Int(patience.wait / .milliseconds(1)))")
                try session.script(sql)
                guard session.isInTransaction else {
                    throw .migration(
                        .malformed("\(file.name) ends its transaction; it must leave that to the migrator"))
                }
                let insert = "INSERT INTO \(table) (number, name, checksum, compatible_from)"
                let rows = try session.query(
                    """
                    \(Query(unsafeSQL: insert)) VALUES (\(file.number), \(file.name), \(checksum),
                        \(file.compatibleFrom))
                    RETURNING number, name, checksum, applied_at, compatible_from
                    """)
                return try migration(rows[0])
            }
        } catch .server(let report) {
            let line = report.position.map { sql.prefix($0 - 1).count { $0.isNewline } + 1 }
            throw .migration(.failed(file: file.name, report: report, line: line))
        }
    }

    private func migration(_ row: Row) throws(PostgresError) -> AppliedMigration {
        AppliedMigration(
            number: try row.decode("number"), name: try row.decode("name"), checksum: try row.decode("checksum"),
            compatibleFrom: try row.decode("compatible_from"), appliedAt: try row.decode("applied_at"))
    }
}

extension PostgresError {
    /// A migration that did not get a table's lock: not in time, or only from somebody who waited for one of its own.
    fileprivate var lacksLock: Bool {
        if case .migration(.failed(_, let report, _)) = self {
            ["55P03", "40P01"].contains(report.sqlState)
        } else {
            false
        }
    }
}
