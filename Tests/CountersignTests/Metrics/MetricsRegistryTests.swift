import Logging
import Postgres
import Support
import Testing

@testable import Countersign

@Suite struct MetricsRegistryTests {
    /// A collector that held the registry kept it, and the connections it asks, until the process ended: in the tests, one
    /// database connection for each daemon that was ever made.
    @Test func `the figures go with the daemon that shows them, and with them its connections`() async throws {
        weak var registry: MetricsRegistry?
        weak var asked: ConnectionPool?
        do {
            let fixture = try await QueueFixture()
            let metrics = ServiceMetrics()
            let dependencies = Dependencies.test(.init(), fixture, metrics: BudgetMetrics(metrics.registry))
            let pool = ConnectionPool(fixture.configuration, size: 1)
            (registry, asked) = (metrics.registry, pool)
            metrics.collectQueue(from: ArtifactRecords(pool: pool))
            metrics.collectAlerts(
                from: Alerts(pool: pool, logger: SigningDaemon.silence), monitorsIdentities: false)
            metrics.collectBatches(from: pool)
            NotificationMetrics(metrics.registry).collect(from: Outbox(pool: pool))
            MaintenanceMetrics(metrics.registry).collect(from: pool)
            RecheckMetrics(metrics.registry).collect(from: pool, registries: ["registry.example.com"])
            let gate = dependencies.gate(Dependency(.rekor, "https://rekor.example.com"))
            let text = await metrics.registry.scrape()
            withExtendedLifetime(gate) {}
            // each of them was asked
            for series in [
                "countersign_database_up 1", "countersign_alerts_open{", "countersign_batches_failing 0",
                "countersign_oldest_snapshot_seconds ", "countersign_breaker_state{",
            ] {
                #expect(text.contains("\n\(series)"), "\(series) is not shown")
            }
        }
        #expect(registry == nil)
        // its thread lets go of it once the last answer is out
        try await eventually("nobody holds the connections") { asked == nil }
    }

    /// Two Prometheus at once: the collector of one had cleared what the other was about to show.
    @Test func `whoever scrapes while others do sees every figure`() async throws {
        let registry = MetricsRegistry()
        let jobs = registry.gauge("countersign_jobs", "Jobs.")
        registry.collect {
            jobs.clear()
            for _ in 0..<20 { await Task.yield() }
            jobs.set(7)
        }
        registry.collect { for _ in 0..<20 { await Task.yield() } }
        let texts = await withTaskGroup(of: String.self, returning: [String].self) { group in
            for _ in 0..<50 {
                group.addTask {
                    for _ in 0..<Int.random(in: 0..<40) { await Task.yield() }
                    return await registry.scrape()
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(texts.count == 50)
        #expect(texts.allSatisfy { $0.contains("\ncountersign_jobs 7\n") })
    }
}
