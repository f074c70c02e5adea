import FoundationEssentials
import Postgres

extension Doctor {
    /// The database: reachable, durable, of this version, and what our roles may do in it.
    func databaseFindings() async -> [DoctorFinding] {
        let own = configuration.database.purposes.filter { $0 != .work }
        var findings = await workFindings()
        for purpose in own {
            let fix = "see that \(purpose.key) is right and the database is up"
            findings.append(await look("database \(purpose)", fix: fix) { try await seen(purpose) })
        }
        return findings
    }

    private func workFindings() async -> [DoctorFinding] {
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

    /// Another way to the database: open, to the same tables, and for whom it is meant.
    private func seen(_ purpose: DatabaseConfiguration.Purpose) async throws -> DoctorFinding.Seen {
        let row: Row?
        do throws(PostgresError) {
            let connection = try configuration.database.connection(
                for: purpose, applicationName: "countersign doctor")
            let pool = ConnectionPool(connection, size: 1)
            row = try await pool.query(Self.accessFacts).first
            await pool.close()
        } catch {
            throw PreflightError.database(error, key: purpose.key)
        }
        guard let row else { return .good("reachable") }
        return try Self.seen(purpose, row)
    }

    /// Of the catalogues alone: a role that was granted nothing sees no table by its name.
    private static let accessFacts: Query = """
        SELECT current_user::text AS role, current_setting('synchronous_commit') AS synchronous_commit,
               pg_is_in_recovery() AS standby, pg_has_role(current_user, n.nspowner, 'USAGE') AS owner,
               has_table_privilege(c.oid, 'INSERT') AS stores
        FROM (VALUES (1)) AS one
        LEFT JOIN pg_namespace n ON n.nspname = 'countersign'
        LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'event'
        """

    private static func seen(_ purpose: DatabaseConfiguration.Purpose, _ row: Row) throws -> DoctorFinding.Seen {
        let role: String = try row.decode("role")
        let text = "reachable as role \(role)"
        let facts = ["role": role]
        if try row.decode("standby") {
            return .bad(
                text + "; a standby, which takes no writes", code: "database.standby",
                fix: "give \(purpose.key) of the primary", facts: facts)
        }
        guard let stores = try row.decode("stores", as: Bool?.self) else {
            return .bad(
                text + "; the database has no tables of countersign", code: "database.migrations_pending",
                fix: "see that \(purpose.key) names the same database as database.url, and run `countersign migrate`",
                facts: facts)
        }
        if purpose == .intake, !stores {
            return .bad(
                text + "; the role may not store pushes", code: "database.role",
                fix: "countersign migrate --grant intake=\(role), as the role that owns the tables", facts: facts)
        }
        if purpose == .migrate, try row.decode("owner", as: Bool?.self) != true {
            return .bad(
                text + "; the role does not own the schema countersign", code: "database.role",
                fix: "give database.migrate of the role that owns it", facts: facts)
        }
        if purpose == .intake, try row.decode("synchronous_commit", as: String.self) == "off" {
            return .doubtful(
                text + ", synchronous_commit off; a push that it committed may be lost in a crash",
                fix: "turn on synchronous_commit", facts: facts)
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
