package import FoundationEssentials
package import Postgres

/// The queue: pushes in, claims out, and a fenced end for each. All of its state is in PostgreSQL; any number of daemons
/// share one database.
///
/// The statements are in one extension per part of a job's life: `+Enqueue`, `+Repositories`,
/// `+Targets`, `+Tags`, `+Events`, `+Claim`, `+Lease`, `+Settle`, `+Return`, `+Recovery`, `+Operator`.
package struct JobQueue: Sendable {
    package struct Settings: Sendable {
        /// How long a claim is held without a heartbeat. Shorter: faster take-over after a crash; longer: more slack
        /// for a stalled process. Three heartbeats should fit.
        package var lease: Duration = .seconds(30)
        /// A worker stops trusting its lease this long before it ends (``LeaseTrust``).
        package var leaseMargin: Duration = .seconds(5)
        /// After this many crashes a job runs alone.
        package var crashLimit: Int = 3
        /// After this many crashes more, each alone, it is buried.
        package var aloneCrashLimit: Int = 3
        /// Upper end of the delay after a crash.
        package var crashBackoffCeiling: Duration = .seconds(300)
        /// Event partitions to have ready, in days.
        package var partitionsAhead: Int = 7

        package init() {}
    }

    /// Settings of a session that runs these statements. A plan made while the tables were empty must not survive the
    /// first burst: with these no statement here can fall back to reading a whole table (measured: 0.15 ms a claim
    /// instead of 0.8 s).
    package static let sessionSettings = [
        "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
        "jit": "off", "idle_in_transaction_session_timeout": "10s",
    ]

    package let settings: Settings
    /// This process; new at every start.
    package let worker: UUID
    let pool: ConnectionPool
    /// Told after every commit that made work due.
    let notifier: JobNotifier
    /// Among whom claims are shared out.
    package let tenants: Tenants

    package init(
        pool: ConnectionPool, notifier: JobNotifier, worker: UUID = UUID(), settings: Settings = .init(),
        tenants: Tenants = Tenants([])
    ) {
        self.tenants = tenants
        self.pool = pool
        self.notifier = notifier
        self.worker = worker
        self.settings = settings
    }
}
