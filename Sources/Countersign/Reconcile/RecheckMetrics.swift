package import Postgres

/// What an operator sees of the look back.
package struct RecheckMetrics: Sendable {
    let queued: Counter
    let rounds: Counter
    /// Since the last whole round.
    let age: Gauge
    private let registry: MetricsRegistry

    package init(_ registry: MetricsRegistry) {
        self.registry = registry
        age = registry.gauge(
            "countersign_recheck_round_age_seconds",
            "Since the last whole round over the published signatures ended, or since the first one was begun.",
            labels: ["registry"])
        queued = registry.counter(
            "countersign_rechecks_queued_total", "Published signatures that were put into the queue to be looked at.",
            labels: ["registry"])
        rounds = registry.counter(
            "countersign_recheck_rounds_total", "Whole rounds over the published signatures.", labels: ["registry"])
    }

    /// Asks at each scrape how long ago the last round ended. What cannot be asked is absent, not old.
    /// - Parameter registries: canonical names of those in which rounds are gone.
    package func collect(from pool: ConnectionPool, registries: [String]) {
        registry.collect { [age] in
            age.clear()
            guard
                let ages = try? await pool.rows(
                    """
                    SELECT registry, greatest(clock_timestamp()
                        - coalesce(recheck_ended_at, recheck_round_at, recheck_stepped_at), interval '0') AS age
                    FROM countersign.swept_registry WHERE registry = ANY(\(registries)::text[])
                    """
                ).values({ (try $0.decode("registry", as: String.self), try $0.decode("age", as: Duration.self)) })
            else { return }
            for (name, seconds) in ages { age.set(seconds / .seconds(1), name) }
        }
    }
}
