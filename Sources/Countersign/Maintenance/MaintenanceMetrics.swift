package import Postgres

/// Figures of the tables' upkeep.
package struct MaintenanceMetrics: Sendable {
    /// What was removed because it was older than it is kept, by kind.
    let removed: Counter
    /// Rows of the hot tables that are dead and not vacuumed yet.
    let deadRows: Gauge
    /// The indexes by which jobs are claimed: one that is much larger than its rows makes each claim slow.
    let indexSize: Gauge
    /// How long the oldest transaction has kept dead rows from being vacuumed.
    let oldestSnapshot: Gauge
    /// How long the oldest row of the audit log has waited for a signed head that vouches for it.
    let unanchored: Gauge
    private let registry: MetricsRegistry

    package init(_ registry: MetricsRegistry) {
        self.registry = registry
        removed = registry.counter(
            "countersign_retention_removed_total", "What was removed because it was older than it is kept.",
            labels: ["kind"])
        deadRows = registry.gauge(
            "countersign_table_dead_rows", "Rows of a table that are dead and not vacuumed yet.", labels: ["table"])
        indexSize = registry.gauge(
            "countersign_index_bytes", "Size of an index by which jobs are claimed.", labels: ["index"])
        oldestSnapshot = registry.gauge(
            "countersign_oldest_snapshot_seconds",
            "How long the oldest transaction has kept dead rows from being vacuumed.")
        unanchored = registry.gauge(
            "countersign_audit_unanchored_seconds",
            "How long the oldest row of the audit log has waited for a signed head in a log.")
    }

    /// Asks the database at each scrape. What cannot be asked is absent, not old.
    package func collect(from pool: ConnectionPool) {
        registry.collect { [unanchored] in
            unanchored.clear()
            guard
                let waiting = try? await pool.rows(
                    """
                    SELECT coalesce(clock_timestamp() - (SELECT at FROM countersign.audit
                        WHERE position > coalesce((SELECT max(a.position) FROM countersign.audit_anchor a
                            JOIN countersign.evidence e ON e.id = a.evidence_id
                            WHERE e.bundle IS NOT NULL AND e.abandoned_at IS NULL), 0)
                        ORDER BY position LIMIT 1), interval '0') AS age
                    """
                ).values({ try $0.decode("age", as: Duration.self) }).first
            else { return }
            unanchored.set(waiting / .seconds(1))
        }
        registry.collect { [indexSize] in
            indexSize.clear()
            guard
                let indexes = try? await pool.rows(
                    """
                    SELECT relname, pg_relation_size(oid) AS size FROM pg_class
                    WHERE relnamespace = 'countersign'::regnamespace AND relname IN ('job_claim', 'job_claim_ungrouped')
                    """
                ).values({
                    (try $0.decode("relname", as: String.self), try $0.decode("size", as: Int64.self))
                })
            else { return }
            for (index, size) in indexes { indexSize.set(Double(size), index) }
        }
        registry.collect { [deadRows, oldestSnapshot] in
            deadRows.clear()
            oldestSnapshot.clear()
            guard
                let tables = try? await pool.rows(
                    """
                    SELECT relname, n_dead_tup FROM pg_stat_user_tables
                    WHERE schemaname = 'countersign' AND relname IN ('job', 'outbox', 'target', 'evidence')
                    """
                ).values({
                    (try $0.decode("relname", as: String.self), try $0.decode("n_dead_tup", as: Int64.self))
                }),
                // of other roles' sessions only for whoever may see them (pg_read_all_stats)
                let oldest = try? await pool.rows(
                    """
                    SELECT coalesce(max(now() - xact_start), interval '0') AS age FROM pg_stat_activity
                    WHERE backend_xmin IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
                    """
                ).values({ try $0.decode("age", as: Duration.self) }).first
            else { return }
            for (table, rows) in tables { deadRows.set(Double(rows), table) }
            oldestSnapshot.set(oldest / .seconds(1))
        }
    }
}
