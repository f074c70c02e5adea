package import Postgres

extension ServiceMetrics {
    /// Asks at each scrape how many batches stand still with an error: nobody looks at a batch that was sent off, and nothing
    /// else tells. What cannot be asked is absent, not old.
    package func collectBatches(from pool: ConnectionPool) {
        let failing = registry.gauge(
            "countersign_batches_failing", "Batches under way whose last step failed; each says why.")
        registry.collect {
            failing.clear()
            guard
                let batches = try? await pool.rows(
                    "SELECT count(*) AS batches FROM countersign.batch WHERE ended_at IS NULL AND error IS NOT NULL"
                ).values({ try $0.decode("batches", as: Int64.self) }).first
            else { return }
            failing.set(Double(batches))
        }
    }
}
