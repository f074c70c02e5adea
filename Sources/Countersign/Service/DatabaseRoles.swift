package import Postgres

/// Roles that use the database without owning it (migration 12). Asked for by who owns it.
package struct DatabaseRoles: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Workers, API and commands: every table, but no history is changed and nothing is altered.
        case work
        /// Webhooks: pushes are stored. Nothing of signatures is written, of what others pushed only what a push changes (migration 30).
        case intake
        /// Dashboards: everything but the hashes of tokens.
        case read
    }

    private let connection: PostgresConfiguration

    package init(connection: PostgresConfiguration) { self.connection = connection }

    /// Remembers these roles, and grants all that are remembered what they need on the tables of now. What the sessions of
    /// workers and webhooks are set to is put at their roles as well, for connections that a pooler shares. Each new grant
    /// stands in the audit log.
    /// - Parameter user: who is at the command line.
    /// - Returns: how many roles were granted.
    /// - Throws: ``PostgresError``; ``PostgresError/configuration(_:)`` for a role that does not exist.
    package func grant(_ roles: [(kind: Kind, role: String)], by user: String = "unknown") async throws -> Int {
        let pool = ConnectionPool(connection, size: 1)
        let settings = JobQueue.sessionSettings.sorted { $0.key < $1.key }
        do {
            let granted = try await pool.transaction { session in
                // one at a time: two GRANTs on one table disturb each other
                _ = try session.query("SELECT pg_advisory_xact_lock(hashtextextended('countersign.role_grant', 0))")
                _ = try session.query("SELECT pg_advisory_xact_lock(hashtextextended('countersign.event', 0))")
                for (kind, role) in roles {
                    let known = try session.execute(
                        """
                        INSERT INTO countersign.role_grant (kind, role)
                        SELECT \(kind.rawValue)::text, rolname FROM pg_catalog.pg_roles WHERE rolname = \(role)::text
                        ON CONFLICT (kind, role) DO UPDATE SET granted_at = now()
                        """)
                    guard known == 1 else { throw PostgresError.configuration("the server has no role \(role)") }
                    guard kind != .read else { continue }
                    for (name, value) in settings {
                        _ = try session.query(
                            "SELECT countersign.set_for_role(\(role)::text, \(name)::text, \(value)::text)")
                    }
                }
                let granted =
                    try session.query("SELECT countersign.grant_roles() AS granted").first?
                    .decode("granted", as: Int32.self) ?? 0
                try Self.grantUpkeep(in: session)
                for (kind, role) in roles {
                    var act = AuditLog.Entry(action: "role.grant", atCommandLineBy: user)
                    act.detail = "\(kind.rawValue) to \(role)"
                    try AuditLog.append(act, in: session)
                }
                return granted
            }
            await pool.close()
            return Int(granted)
        } catch {
            await pool.close()
            throw error
        }
    }
    /// Lets workers vacuum the tables in which rows come and go all the time, and nothing else that an owner may. Older
    /// servers have no such right: `countersign maintain` does it there, as the owner.
    private static func grantUpkeep(in session: Session) throws {
        let workers = try session.query(
            """
            SELECT quote_ident(role) AS role FROM countersign.role_grant
            WHERE kind = 'work' AND current_setting('server_version_num')::int >= 170000 ORDER BY role
            """)
        let tables = TableUpkeep.tables.map { "countersign.\($0)" }.joined(separator: ", ")
        for row in workers {
            let role = try row.decode("role", as: String.self)
            _ = try session.execute(Query(unsafeSQL: "GRANT MAINTAIN ON \(tables) TO \(role)"))
        }
    }
}
