package import Logging
package import Postgres
import Sigstore

extension Listeners {
    /// What the three doors of the daemon open to.
    package struct Dependencies: Sendable {
        package var commit: Intake.Commit
        /// The connections that pushes are stored on. Readiness is asked here: it says whether pushes can be taken, and no
        /// number of readers may change that answer.
        package var intakePool: ConnectionPool
        /// What the API reads and writes, on connections that neither workers nor webhooks use: waiting readers cannot hold
        /// up a push.
        package var apiPool: ConnectionPool
        /// What `/metrics` asks, on a connection of its own: busy readers are no database that is away.
        package var figuresPool: ConnectionPool
        /// For what operators do to jobs, on the same connections.
        package var queue: JobQueue
        package var policy: SigningPolicy
        package var metrics: ServiceMetrics
        package var progress: any WorkerProgress
        /// Whether all doors listen.
        package var areDoorsOpen: @Sendable () -> Bool
        /// Asked what a tag points at.
        package var registries: Registries
        /// Issuers whose tokens are taken beside our own.
        package var oidc: OIDCAuthenticator?
        /// Shared with the workers: both hold documents.
        package var documentMemory: DocumentMemory
        /// Told how late a registry's deliveries come.
        package var heard: Intake.Heard

        package init(
            commit: @escaping Intake.Commit, intakePool: ConnectionPool, apiPool: ConnectionPool,
            figuresPool: ConnectionPool, queue: JobQueue, policy: SigningPolicy, metrics: ServiceMetrics,
            progress: any WorkerProgress, areDoorsOpen: @escaping @Sendable () -> Bool,
            registries: Registries, oidc: OIDCAuthenticator? = nil,
            documentMemory: DocumentMemory = DocumentMemory(capacity: DocumentFormat.maxBytes),
            heard: @escaping Intake.Heard = { _, _ in }
        ) {
            self.heard = heard
            self.commit = commit
            self.intakePool = intakePool
            self.apiPool = apiPool
            self.figuresPool = figuresPool
            self.queue = queue
            self.policy = policy
            self.metrics = metrics
            self.progress = progress
            self.areDoorsOpen = areDoorsOpen
            self.registries = registries
            self.oidc = oidc
            self.documentMemory = documentMemory
        }
    }

    /// The daemon's own doors. Its queue figures are asked for at each scrape from now on, so make it once.
    package init(_ configuration: Configuration, _ dependencies: Dependencies, logger: Logger) {
        let metrics = dependencies.metrics
        let pool = dependencies.apiPool
        let records = ArtifactRecords(pool: pool)
        let tokens = APITokens(pool: pool, tenants: configuration.tenants)
        metrics.collectQueue(from: ArtifactRecords(pool: dependencies.figuresPool))
        metrics.collectAlerts(
            from: Alerts(pool: dependencies.figuresPool, logger: logger),
            monitorsIdentities: configuration.reconcile.identityMonitor.isEnabled)
        metrics.collectBatches(from: dependencies.figuresPool)
        let alerts = Alerts(pool: pool, logger: logger)

        let intake = Intake(
            configuration, policy: dependencies.policy, metrics: metrics, logger: logger, heard: dependencies.heard,
            commit: dependencies.commit)
        let authority = Authority(anonymousRead: configuration.api.anonymousRead, refused: metrics.apiRefused) {
            token in
            if let oidc = dependencies.oidc, OIDCAuthenticator.isForm(of: token) {
                return try await oidc.principal(of: token)
            }
            return try await tokens.authenticate(token)
        }
        let (attestationRecords, documents) = (AttestationRecords(pool: pool), DocumentStore(pool: pool))
        let attestations = AttestationsController(
            upload: AttestationUpload(
                configuration: configuration, policy: dependencies.policy, registries: dependencies.registries,
                artifacts: records,
                intake: AttestationIntake(
                    queue: dependencies.queue, records: attestationRecords, documents: documents,
                    memory: dependencies.documentMemory, wait: configuration.attestations.wait),
                audit: AuditLog(pool: pool), slots: UploadSlots(places: configuration.attestations.maxUploads)),
            records: attestationRecords, documents: documents, registries: configuration.registries,
            authority: authority)
        self.init(
            configuration.listeners, anonymousRead: configuration.api.anonymousRead,
            routes: [
                .webhooks: [WebhookController(intake: intake, metrics: metrics, configuration: configuration)],
                .api: [
                    ArtifactsController(
                        records: records, configuration: configuration, authority: authority, metrics: metrics),
                    UpstreamsController(
                        ledger: DependencyLedger(pool: pool), queue: dependencies.queue, budgets: configuration.budgets,
                        authority: authority),
                    RepositoriesController(records: records, authority: authority),
                    EventsController(records: EventRecords(pool: pool), authority: authority),
                    JobsController(records: records, authority: authority),
                    JobCommandsController(queue: dependencies.queue, records: records, authority: authority),
                    SignController(
                        configuration: configuration, policy: dependencies.policy, authority: authority,
                        queue: dependencies.queue),
                    AuditController(audit: AuditLog(pool: pool), authority: authority),
                    BatchesController(
                        records: BatchRecords(pool: pool), configuration: configuration, policy: dependencies.policy,
                        authority: authority, registries: dependencies.registries, metrics: metrics),
                    RevocationsController(
                        revocations: Revocations(queue: dependencies.queue), configuration: configuration,
                        authority: authority),
                    ReconcileController(
                        records: SweepRecords(pool: pool), plan: SweepPlan(policy: dependencies.policy),
                        registries: configuration.registries, authority: authority),
                    AlertsController(alerts: alerts, authority: authority),
                    attestations,
                    LogEntriesController(
                        entries: LogEntryRecords(pool: pool), logs: LogRecords(pool: pool), artifacts: records,
                        registries: configuration.registries, authority: authority),
                    LogsController(records: LogRecords(pool: pool), authority: authority),
                    IntakeController(
                        configuration: configuration, policy: dependencies.policy, metrics: metrics,
                        authority: authority),
                ],
                .operations: [
                    OperationsController(
                        metrics: metrics, progress: dependencies.progress, areDoorsOpen: dependencies.areDoorsOpen
                    ) {
                        do throws(PostgresError) {
                            _ = try await dependencies.intakePool.query("SELECT 1")
                            return nil
                        } catch {
                            return error.code
                        }
                    }
                ],
            ], audit: AuditLog(pool: pool), logger: logger)
    }
}
