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
            findings.append(await look("database tls", fix: fix) { try Self.transport(row, connection) })
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
                 AS owner,
               CASE WHEN to_regclass('countersign.job') IS NOT NULL
                 THEN has_table_privilege('countersign.job', 'UPDATE') END AS works,
               (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls, clock_timestamp() AS now
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
        if try row.decode("works", as: Bool?.self) == false {
            return .bad(
                text + "; the role may not work on the tables of countersign", code: "database.role",
                fix: "countersign migrate --grant work=\(role), as the role that owns them", facts: facts)
        }
        let off = settings.filter { $0.1 == "off" }.map(\.0)
        if !off.isEmpty {
            return .doubtful(
                text + "; what it committed may be lost in a crash", fix: "turn on \(off.joined(separator: ", "))",
                facts: facts)
        }
        if try row.decode("superuser") {
            return .doubtful(
                text + "; a superuser", fix: "use a role of its own: countersign migrate --grant work=ROLE",
                facts: facts)
        }
        if try row.decode("owner", as: Bool?.self) == true {
            return .good(text + "; it owns the schema, so it could also change it", facts: facts)
        }
        return .good(text, facts: facts)
    }

    /// How we speak with it, and whether it could be somebody else.
    private static func transport(_ row: Row, _ connection: PostgresConfiguration) throws -> DoctorFinding.Seen {
        let version = try row.decode("tls", as: String?.self)
        let text = version.map { "TLS: \($0)" } ?? "no TLS"
        guard connection.isServerProven else {
            return .doubtful(
                text + "; whoever is in between could pose as the server",
                fix: "sslmode=verify-full and sslrootcert=… in database.url", facts: [:])
        }
        return .good(version == nil ? "on this machine, no TLS" : text, facts: [:])
    }
}
