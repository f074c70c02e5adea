import FoundationEssentials
import Postgres

extension Doctor {
    /// The database: reachable, durable, of this version, and what our role may do in it.
    func databaseFindings() async -> [DoctorFinding] {
        let fix = "see that database.url is right and the database is up"
        var findings = [
            await look("database", fix: fix) {
                try await Preflight(configuration).database(migrations: options.migrations)
                return .good(
                    configuration.environment == .production
                        ? "reachable, durable, migrations current" : "reachable, migrations current")
            }
        ]
        do {
            let connection = try configuration.database.connection(applicationName: "countersign doctor")
            let pool = ConnectionPool(connection, size: 1)
            let sent = Date()
            let row = try await pool.query(Self.facts).first
            let received = Date()
            await pool.close()
            guard let row else { return findings }
            findings.append(await look("database server", fix: fix) { try Self.server(row) })
            findings.append(
                await look("clock database", fix: fix) {
                    ClockReading(
                        name: "the database", time: try row.decode("now"), from: sent, to: received, resolution: 0
                    ).seen(prefix: "")
                })
        } catch {
            // the first finding says why
        }
        return findings
    }

    private static let facts: Query = """
        SELECT current_user::text AS role, rolsuper AS superuser, current_setting('server_version') AS version,
               current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
               current_setting('full_page_writes') AS full_page_writes, pg_is_in_recovery() AS standby,
               (SELECT pg_has_role(current_user, nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'countersign')
                 AS owner, clock_timestamp() AS now
        FROM pg_roles WHERE rolname = current_user
        """

    private static func server(_ row: Row) throws -> DoctorFinding.Seen {
        let role: String = try row.decode("role")
        let version: String = try row.decode("version")
        let settings = try ["fsync", "synchronous_commit", "full_page_writes"].map {
            ($0, try row.decode($0, as: String.self))
        }
        let text =
            "PostgreSQL \(version), role \(role), " + settings.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
        let facts = ["version": version, "role": role]
        if try row.decode("standby") {
            return .bad(
                text + "; a standby, which takes no writes", code: "database.standby",
                fix: "give database.url of the primary", facts: facts)
        }
        if try row.decode("owner", as: Bool?.self) == false {
            return .bad(
                text + "; the role does not own the schema countersign: partitions cannot be made",
                code: "database.role", fix: "ALTER SCHEMA countersign OWNER TO \(role), and its tables", facts: facts)
        }
        let off = settings.filter { $0.1 == "off" }.map(\.0)
        if !off.isEmpty {
            return .doubtful(
                text + "; what it committed may be lost in a crash", fix: "turn on \(off.joined(separator: ", "))",
                facts: facts)
        }
        if try row.decode("superuser") {
            return .doubtful(
                text + "; a superuser", fix: "use a role that owns the schema countersign and nothing else",
                facts: facts)
        }
        return .good(text, facts: facts)
    }
}
