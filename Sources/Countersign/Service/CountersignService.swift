import Curl
import FailPoints
import FoundationEssentials
package import Logging
import OCI
import Postgres
import ServiceLifecycle
import Sigstore
package import UnixSignals

/// The daemon, put together from its configuration. Wiring only: what each part does is in its own file.
package struct CountersignService: Sendable {
    private let configuration: Configuration
    private let logger: Logger
    private let version: String

    package init(_ configuration: Configuration, version: String, logger: Logger) {
        self.configuration = configuration
        self.version = version
        self.logger = logger
    }

    /// Checks what must not be wrong, then runs until it is told to stop.
    /// - Parameters:
    ///   - migrations: folder of the migration files, to see that the database is of this version.
    ///   - onBound: told for each door once it listens.
    package func run(
        migrations: String, stoppingOn signals: [UnixSignal],
        onBound: @escaping @Sendable (Door, Int) async -> Void = { _, _ in }
    ) async throws {
        Preflight.forbidCoreDumps()
        let preflight = Preflight(configuration)
        try preflight.failPoint(ProcessInfo.processInfo.environment[FailPointSetting.variable])
        let migrator = try await preflight.database(migrations: migrations)

        let http = HTTPClient(
            userAgent: "countersign/\(version)", concurrency: configuration.worker.concurrency)
        let pools = try Pools(configuration)
        do {
            let schema = SchemaWatch(migrator: migrator, pool: pools.notify, logger: logger)
            try await run(http, pools, schema, stoppingOn: signals, onBound: onBound)
        } catch {
            http.shutdown()
            await pools.close()
            throw error
        }
        http.shutdown()
        await pools.close()
    }

    private func run(
        _ http: HTTPClient, _ pools: Pools, _ schema: SchemaWatch, stoppingOn signals: [UnixSignal],
        onBound: @escaping @Sendable (Door, Int) async -> Void
    ) async throws {
        let metrics = ServiceMetrics(endpoints: configuration.endpoints.map(\.name))
        let trust = try await TrustKeeper(
            configuration, http: http, pool: pools.work, checksPolicy: true, metrics: TrustMetrics(metrics.registry),
            logger: logger)
        let services = try services(trust: trust, metrics: metrics, http: http, pools: pools, onBound: onBound)
        // Shut down from the last to the first: the worker stops claiming while the webhooks still answer.
        var shape = ServiceGroupConfiguration(
            services: [Configured(service: schema), Configured(service: HeapUpkeep())] + services,
            gracefulShutdownSignals: signals, logger: logger)
        // the worker's grace, and a moment for the listeners' last answers
        shape.maximumGracefulShutdownDuration = configuration.worker.shutdownGrace + .seconds(3)
        let group = ServiceGroup(configuration: shape)
        logger.notice(
            "starting",
            metadata: [
                "version": "\(version)", "environment": "\(configuration.environment.rawValue)",
                "policy.version": "\(SigningPolicy(configuration).version)",
            ])
        try await group.run()
    }

    private typealias Configured = ServiceGroupConfiguration.ServiceConfiguration

    private func services(
        trust: TrustKeeper, metrics: ServiceMetrics, http: HTTPClient, pools: Pools,
        onBound: @escaping @Sendable (Door, Int) async -> Void
    ) throws -> [Configured] {
        let policy = SigningPolicy(configuration)
        let signal = JobSignal()
        let notifier = JobNotifier(signal: signal, pool: pools.notify, logger: logger)
        let workQueue = JobQueue(
            pool: pools.work, notifier: notifier, settings: configuration.worker.queueSettings,
            tenants: Tenants(configuration.tenants))
        let intakeQueue = JobQueue(
            pool: pools.intake, notifier: notifier, worker: workQueue.worker,
            settings: configuration.worker.queueSettings)
        let apiQueue = JobQueue(
            pool: pools.api, notifier: notifier, worker: workQueue.worker,
            settings: configuration.worker.queueSettings)
        let dependencies = Dependencies(
            configuration.budgets, queue: workQueue, longestPause: configuration.worker.retryAfterCeiling,
            living: configuration.worker.heartbeat * 3, metrics: BudgetMetrics(metrics.registry), logger: logger)
        let registries = try Registries(configuration.registries, http: http, dependencies: dependencies)
        let records = LogRecords(pool: pools.work)
        let signers = try Signers(
            configuration.sigstore, trust: trust, http: http, records: records, dependencies: dependencies,
            caps: RepositoryCaps(configuration.budgets.repositories, pool: pools.work))
        let watched = ServiceClients(trust) { services in
            services.logs.map { log in
                let client = http.gated(by: ReadingGate(dependencies.gate(.rekor, log.upstream.url)))
                return LogWatch.Watched(
                    reader: log.client(trust, http: client), verifier: log.checkpointVerifier(trust))
            }
        }
        let watch = LogWatch(
            { try watched.current() }, records: records, interval: configuration.sigstore.logWatchInterval,
            metrics: LogWatchMetrics(metrics.registry), logger: logger)

        let memory = DocumentMemory(capacity: configuration.attestations.memory)
        let attempt = Attempt(
            JobParts(
                policy: policy, registries: registries, signers: signers, journal: Journal(pool: pools.work),
                subjects: SubjectTurns(pool: pools.work, lasting: configuration.worker.subjectLease), queue: workQueue,
                attestations: AttestationRecords(pool: pools.work), documents: DocumentStore(pool: pools.work),
                memory: memory, inlineLimit: configuration.attestations.inlineLimit),
            retry: configuration.worker.retryPolicy, metrics: metrics,
            alarm: SignatureAlarm(alerts: Alerts(pool: pools.work, logger: logger)), logger: logger)
        let progress = WorkerHeartbeat(longestSilence: configuration.longestSilence)
        let worker = Worker(
            queue: workQueue, attempt: attempt, signal: signal, settings: configuration.worker.workerSettings,
            progress: progress, version: version, dependencies: dependencies, logger: logger)

        let deliveries = DeliveryGroupCommit(
            queue: intakeQueue, limit: configuration.intake.maxWaiting, batchLimit: configuration.intake.commitEvents)
        let doors = OpenDoors()
        let listeners = Listeners(
            configuration,
            Listeners.Dependencies(
                commit: { requests throws(QueueError) in try await deliveries.commit(requests) },
                intakePool: pools.intake, apiPool: pools.api, figuresPool: pools.figures, queue: apiQueue,
                policy: policy, metrics: metrics, progress: progress, areDoorsOpen: { doors.areAllOpen },
                registries: registries,
                oidc: configuration.api.oidc.isEmpty ? nil : OIDCAuthenticator(configuration.api.oidc, http: http),
                documentMemory: memory, heard: { dependencies.gate(.registry, $0).heard(after: $1) }),
            logger: logger)
        let feeder = BatchFeeder(
            queue: workQueue, policy: policy, registries: registries,
            configured: Set(configuration.registries.map(\.name)), retry: configuration.worker.retryPolicy,
            logger: logger)
        SigningFigures(metrics: metrics, registries: registries, signers: signers).register()
        let outbox = Outbox(pool: pools.work)
        let notifications = NotificationMetrics(metrics.registry, sinks: configuration.notifications.sinks.map(\.name))
        notifications.collect(from: Outbox(pool: pools.figures))
        let delivery = NotificationDelivery(
            configuration.notifications, outbox: outbox, http: http, metrics: notifications, logger: logger)
        let upkeep = MaintenanceMetrics(metrics.registry)
        upkeep.collect(from: pools.figures)
        let maintenance = Maintenance(
            queue: workQueue, retention: Retention(pool: pools.work, configuration: configuration.retention),
            metrics: upkeep, logger: logger)
        let behindDoors: [any Service] =
            [trust, watch, dependencies, notifier, JobListener(pools.listener, signal: signal)]
            + [
                AuditAnchoring(
                    anchors: AuditAnchors(pool: pools.work), signers: signers,
                    turns: Turns(pool: pools.work, holder: workQueue.worker), logger: logger)
            ]
            + [Janitor(queue: workQueue, rescueInterval: configuration.worker.rescue, logger: logger), maintenance]
            + Reconciliation(
                configuration: configuration, policy: policy, registries: registries, signers: signers,
                queue: workQueue, figures: pools.figures, trust: trust, http: http, dependencies: dependencies,
                metrics: metrics.registry, logger: logger
            ).services
            + [feeder, delivery]
        let opening = doors.inTurn(
            listeners.services { door, port in
                doors.opened(door)
                await onBound(door, port)
            })
        // where one cannot listen, those that do are closed as at a stop, not broken off
        return behindDoors.map { Configured(service: doors.hold($0)) }
            + opening.map { Configured(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup) }
            + [Configured(service: doors.hold(worker))]
    }
}

/// The daemon's connections: workers, intake and API apart, so that neither a backlog nor waiting readers can starve the
/// webhooks; one for what `/metrics` asks, one to notify.
struct Pools: Sendable {
    let work: ConnectionPool
    let intake: ConnectionPool
    let api: ConnectionPool
    let figures: ConnectionPool
    let notify: ConnectionPool
    let listener: PostgresConfiguration

    init(_ configuration: Configuration) throws(PostgresError) {
        let waitLimit = configuration.intake.connectionWait
        let configuration = configuration.database
        let settings = JobQueue.sessionSettings
        work = ConnectionPool(
            try configuration.connection(applicationName: "countersign worker", sessionSettings: settings),
            size: configuration.workerConnections)
        intake = ConnectionPool(
            try configuration.connection(
                for: .intake, applicationName: "countersign intake", sessionSettings: settings),
            size: configuration.intakeConnections, waitLimit: waitLimit)
        api = ConnectionPool(
            try configuration.connection(applicationName: "countersign api", sessionSettings: settings),
            size: configuration.apiConnections)
        figures = ConnectionPool(
            try configuration.connection(applicationName: "countersign figures", sessionSettings: settings), size: 1)
        notify = ConnectionPool(try configuration.connection(applicationName: "countersign notify"), size: 1)
        listener = try configuration.connection(for: .direct, applicationName: "countersign listen")
    }

    func close() async {
        await work.close()
        await intake.close()
        await api.close()
        await figures.close()
        await notify.close()
    }
}
