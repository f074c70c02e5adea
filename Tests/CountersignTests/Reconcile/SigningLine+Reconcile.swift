import Curl
import FoundationEssentials
import OCI
import Postgres
import SigstoreLab
import Support

@testable import Countersign

/// What looks by itself, on the parts of a line.
extension SigningLine {
    /// The part of one daemon that sweeps, and the registry as it sees it.
    struct Sweeping: Sendable {
        let sweep: Sweep
        let registry: SweptRegistry
        let metrics: MetricsRegistry

        /// Steps until nothing is due. The catalog is everybody's who tests meanwhile, and may have many pages.
        func run(atMost steps: Int = 2_000) async throws {
            for _ in 0..<steps where try await !sweep.step(registry) { return }
            throw SupportError("the sweep does not end")
        }

        /// Steps until the repositories are known, and no further.
        func list(_ line: SigningLine) async throws {
            for _ in 0..<100 where try await line.sweeps.registries().first?.listedAt == nil {
                _ = try await sweep.step(registry)
            }
        }
    }

    /// - Parameters:
    ///   - names: write the repository's name out in a rule; a registry without a catalog has only such.
    ///   - queue: of another daemon.
    ///   - http: what the registry is asked with.
    func sweeping(
        page: Int = 100, interval: Duration = .seconds(3600), names: Bool = false, queue: JobQueue? = nil,
        http: HTTPClient = SigningLine.http
    ) throws -> Sweeping {
        // the registry is everybody's: only this line's own repositories are in the rule
        let own = "\(Self.registryName)/\(repository.name.prefix { $0 != "/" })"
        var rules = [Setup.rule(glob: "\(own)/**")]
        if names { rules.insert(Setup.rule("named", glob: repository.description), at: 0) }
        var upstream = UpstreamConfiguration(url: registry.url)
        (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
        let configured = RegistryConfiguration(name: Self.registryName, upstream: upstream)
        let registries = try Registries([configured], http: http)
        guard let client = registries[repository] else { throw SupportError("no client") }
        var settings = ReconcileConfiguration.Sweep()
        (settings.interval, settings.pageSize, settings.rate) = (interval, page, 1_000)
        let metrics = MetricsRegistry()
        return Sweeping(
            sweep: Sweep(
                queue: queue ?? database.queue,
                plan: SweepPlan(policy: SigningPolicy(rules: rules, registries: [Self.registryName])),
                registries: registries, settings: settings, metrics: SweepMetrics(metrics),
                logger: SigningDaemon.silence),
            registry: SweptRegistry(name: Self.registryName, client: client, rate: settings.rate), metrics: metrics)
    }

    var sweeps: SweepRecords { SweepRecords(pool: database.pool) }

    /// How the sweep of this line's repository stands.
    func swept() async throws -> SweepRecords.Sweep {
        guard
            let sweep = try await sweeps.sweeps(RepositoryFilter()).items.first(where: { $0.repository == repository })
        else { throw SupportError("no sweep of \(repository)") }
        return sweep
    }

    /// Every repository is due again, as after its interval.
    func makeSweepsDue() async throws {
        try await database.pool.execute("UPDATE countersign.swept_repository SET due_at = now()")
    }

    /// The look back over what was published; everything is old enough for it.
    func rechecks() -> Rechecks {
        var settings = ReconcileConfiguration.Recheck()
        (settings.interval, settings.rate) = (.seconds(3600), 1_000)
        return Rechecks(
            queue: database.queue, registries: [Self.registryName], settings: settings,
            metrics: RecheckMetrics(MetricsRegistry()), logger: SigningDaemon.silence)
    }

    /// Everything that is listed for an image: referrers, and layers under the legacy tags.
    func listed(_ digest: OCI.Digest) async throws -> Set<OCI.Digest> {
        var listed = Set(try await referrers(of: digest).map(\.manifest.digest))
        for kind in LegacyKind.allCases {
            listed.formUnion(try await pusher.legacyLayers(kind, of: digest, in: repository.name).map(\.digest))
        }
        return listed
    }

    /// Has everything published looked at again.
    func recheckAll(with daemon: SigningDaemon) async throws {
        try await grow(older: "2 hours")
        let step = try await rechecks().step(Self.registryName)
        guard step?.isRoundOver == true else { throw SupportError("not a whole round: \(String(describing: step))") }
        try await daemon.attemptAll()
    }

    /// Lets time go by for what was verified, and for the round before.
    func grow(older age: String) async throws {
        try await database.pool.execute(
            """
            UPDATE countersign.target SET verified_at = now() - \(age)::text::interval WHERE state = 'signed'
            """)
        try await database.pool.execute(
            """
            UPDATE countersign.swept_registry SET recheck_ended_at = now() - \(age)::text::interval,
                recheck_stepped_at = now() - \(age)::text::interval
            """)
    }

    /// Lets two days go by for whatever ended, and the hourly clean-up with them.
    func letDaysPass() async throws {
        try await database.pool.execute("UPDATE countersign.target SET updated_at = now() - interval '2 days'")
        try await database.pool.execute("UPDATE countersign.document SET begun_at = begun_at - interval '2 days'")
        try await database.maintenance().removeOld()
    }

    var alerts: Alerts { Alerts(pool: database.pool, logger: SigningDaemon.silence) }

    /// Deletes what a tag names, as a cleaning job would.
    func delete(tag: String) async throws {
        guard let digest = try await pusher.claimedDigest(repository.name, tag: tag) else {
            throw SupportError("no \(tag)")
        }
        try await delete(digest)
    }
}
