import Curl
import Logging
import Postgres
import ServiceLifecycle
import Sigstore

/// The parts of the daemon that look by themselves: for images that no webhook told of, at what was published, and for entries
/// under our identities that are not ours.
struct Reconciliation: Sendable {
    let configuration: Configuration
    let policy: SigningPolicy
    let registries: Registries
    let signers: Signers
    let queue: JobQueue
    /// For what `/metrics` asks.
    let figures: ConnectionPool
    let trust: TrustKeeper
    let http: HTTPClient
    let dependencies: Dependencies
    let metrics: MetricsRegistry
    let logger: Logger

    var services: [any Service] {
        let settings = configuration.reconcile
        // what the configuration names is changed by people, who say where to begin
        let rotates = configuration.sigstore.namedLogs.isEmpty
        let followed = ServiceClients(trust) { services in
            services.logs.map { log in
                let client = http.gated(by: ReadingGate(dependencies.gate(.rekor, log.upstream.url)))
                return IdentityMonitor.Followed(log.client(trust, http: client), chosen: rotates ? log.api : nil)
            }
        }
        let former: @Sendable (String, RekorAPI) -> any LogFollower = { url, api in
            var upstream = configuration.sigstore.upstreams
            upstream.url = url
            let log = configuration.sigstore.witnessed(.init(name: url, api: api, upstream: upstream))
            return log.client(trust, http: http.gated(by: ReadingGate(dependencies.gate(.rekor, url))))
        }
        let names = configuration.registries.map(\.name)
        let looks = RecheckMetrics(metrics)
        if settings.recheck.isScheduled { looks.collect(from: figures, registries: names) }
        return [
            Sweep(
                queue: queue, plan: SweepPlan(policy: policy), registries: registries, settings: settings.sweep,
                metrics: SweepMetrics(metrics, registries: names), logger: logger),
            Rechecks(
                queue: queue, registries: names, settings: settings.recheck, metrics: looks, logger: logger),
            IdentityMonitor(
                { try followed.current() }, replaced: former, identities: signers.identities.map(WatchedIdentity.init),
                records: FollowedLogs(
                    pool: queue.pool, turns: Turns(pool: queue.pool, holder: queue.worker),
                    alerts: Alerts(pool: queue.pool, logger: logger)),
                settings: settings.identityMonitor, metrics: IdentityMonitorMetrics(metrics), logger: logger),
        ]
    }
}
