package import Postgres

/// What keeps the hot tables small and quick beyond the removal of rows: vacuum, and indexes built anew. An owner may do all of
/// it; from PostgreSQL 17 on whoever has MAINTAIN on a table (`DatabaseRoles` grants it to `work`) all but drop an index.
package struct TableUpkeep: Sendable {
    /// Rows come and go here all the time.
    package static let tables = ["job", "outbox"]

    private let pool: ConnectionPool
    private let deadline: Duration

    /// - Parameter deadline: the longest that one vacuum or one index may take.
    package init(pool: ConnectionPool, deadline: Duration) {
        self.pool = pool
        self.deadline = deadline
    }

    /// The hot tables that our role may keep.
    package func kept() async throws(QueueError) -> [String] {
        try await names(
            """
            SELECT relname AS name FROM pg_class WHERE relnamespace = 'countersign'::regnamespace
                AND relname = ANY(\(Self.tables)::text[])
                AND CASE WHEN current_setting('server_version_num')::int >= 170000
                    THEN has_table_privilege(oid, 'MAINTAIN') ELSE pg_has_role(relowner, 'USAGE') END
            ORDER BY relname
            """)
    }

    /// Vacuums them; one that somebody else is at is passed over. Autovacuum has few workers, and one may be busy with a
    /// large table for hours.
    /// - Returns: their names.
    @discardableResult
    package func vacuum() async throws(QueueError) -> [String] {
        let tables = try await kept()
        for table in tables {
            try await execute("VACUUM (INDEX_CLEANUP ON, SKIP_LOCKED) countersign.\(table)")
        }
        return tables
    }

    /// Builds all their indexes anew beside the old ones, while work goes on: they never shrink by themselves.
    /// - Returns: the tables.
    package func rebuildIndexes() async throws(QueueError) -> [String] {
        let tables = try await kept()
        for table in tables { try await execute("REINDEX TABLE CONCURRENTLY countersign.\(table)") }
        return tables
    }

    /// Drops what rebuilds left that were broken off: each costs as much as an index, and is never used. One that is being
    /// built is waited for, and has another name then.
    /// - Returns: their names.
    package func dropLeftovers() async throws(QueueError) -> [String] {
        let leftovers = try await names(
            """
            SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                JOIN pg_class t ON t.oid = i.indrelid
            WHERE t.relnamespace = 'countersign'::regnamespace AND t.relname = ANY(\(Self.tables)::text[])
                AND NOT i.indisvalid AND c.relname ~ '^[a-z_]+_cc(new|old)[0-9]*$' AND pg_has_role(t.relowner, 'USAGE')
            ORDER BY c.relname
            """)
        for index in leftovers { try await execute("DROP INDEX CONCURRENTLY IF EXISTS countersign.\(index)") }
        return leftovers
    }

    private func names(_ query: Query) async throws(QueueError) -> [String] {
        try await pool.rows(query).values { try $0.decode("name", as: String.self) }
    }

    /// Alone, outside a transaction.
    private func execute(_ sql: String) async throws(QueueError) {
        do {
            try await pool.withSession(deadline: deadline) { session in
                _ = try session.execute(Query(unsafeSQL: sql))
            }
        } catch {
            throw QueueError(error)
        }
    }
}
