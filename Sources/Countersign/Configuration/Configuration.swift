/// Everything the daemon can be told, as plain values with their defaults.
///
/// Nothing here reads a file: `Configuration+Reading….swift` list the YAML keys and fill these structs,
/// `Configuration+Validation.swift` checks them once, at the start. `config/countersign.example.yaml` is the reader's page.
package struct Configuration: Sendable {
    /// What the daemon is allowed to overlook. Default `production`.
    package var environment: Environment = .production
    /// Where the three doors listen, and what they bear.
    package var listeners = ListenerConfiguration()
    /// How deliveries are gathered into commits.
    package var intake = IntakeConfiguration()
    /// Where the queue and the records live.
    package var database: DatabaseConfiguration
    /// Whose certificates, timestamps and log entries we use, and as whom we sign.
    package var sigstore: SigstoreConfiguration
    /// The registries we may talk to. An event of any other host is refused, never dialled.
    package var registries: [RegistryConfiguration]
    /// The webhooks we answer.
    package var endpoints: [EndpointConfiguration]
    /// What we sign. Without a rule nothing is signed.
    package var policy = PolicyConfiguration()
    /// What documents are taken about artifacts.
    package var attestations = AttestationConfiguration()
    /// How lost webhooks are made up for, and how what was published is watched over.
    package var reconcile = ReconcileConfiguration()
    /// How jobs are worked off.
    package var worker = WorkerConfiguration()
    /// What services may be asked for, and when they are not asked.
    package var budgets = BudgetConfiguration()
    /// Among whom claims are shared out. Default none: everybody is one.
    package var tenants: [TenantConfiguration] = []
    /// Who may read and command.
    package var api = APIConfiguration()
    /// What batches need before they run.
    package var batches = BatchConfiguration()
    /// How long is kept what grows without end.
    package var retention = RetentionConfiguration()
    /// Whom we tell what became of artifacts.
    package var notifications = NotificationConfiguration()
    /// What is logged, and how.
    package var log = LogConfiguration()

    package init(
        database: DatabaseConfiguration, sigstore: SigstoreConfiguration,
        registries: [RegistryConfiguration] = [], endpoints: [EndpointConfiguration] = []
    ) {
        self.database = database
        self.sigstore = sigstore
        self.registries = registries
        self.endpoints = endpoints
    }

    package enum Environment: String, Sendable, CaseIterable {
        /// Refuses a lab trust root, a database that may lose commits, and short secrets.
        case production
        /// Allows all three. Never for signatures that somebody relies on.
        case development
    }
}

/// Who may read and command over the REST API.
package struct APIConfiguration: Sendable, Equatable {
    /// Whether status may be read without a token. Default false: a reader without a token gets 401.
    /// True publishes repository names, digests and who pushed to everybody who reaches the listener.
    package var anonymousRead = false
    /// The longest `?wait=` that is honoured. Default 60 s; a waiting reader asks the database up to four times a second.
    package var maxWait: Duration = .seconds(60)
    /// Readers that may wait at once. Default 200; one more is answered 503.
    package var maxWaiters = 200
    /// Issuers whose tokens are taken beside our own. Default none.
    package var oidc: [OIDCConfiguration] = []

    package init() {}
}

/// What is logged, and how.
package struct LogConfiguration: Sendable, Equatable {
    /// The least severe level that is written. Default `info`.
    package var level: Level = .info
    /// The form of a line. Default `auto`.
    package var format: Format = .auto

    package init() {}

    package enum Level: String, Sendable, CaseIterable { case trace, debug, info, notice, warning, error }
    package enum Format: String, Sendable, CaseIterable {
        /// Text on a terminal, JSON elsewhere.
        case auto
        case json, text
    }
}
