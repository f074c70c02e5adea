/// Where the queue and the records live: one PostgreSQL database, shared by all daemons.
package struct DatabaseConfiguration: Sendable {
    /// `postgresql://user@host:port/database?…`; a password inside it is kept secret like any other.
    package var url: Secret
    /// The password, where the URL has none. Default none (peer, trust, certificate or `~/.pgpass`).
    package var password: Secret?
    /// Connections of the workers. Default 8.
    package var workerConnections = 8
    /// Connections of the webhooks, never lent to workers or readers. Default 4: a backlog cannot starve the intake.
    package var intakeConnections = 4
    /// Connections of the API, of readiness and of the queue's figures. Default 4: waiting readers share them.
    package var apiConnections = 4
    /// The longest a connect may take. Default 5 s.
    package var connectTimeout: Duration = .seconds(5)
    /// The longest one statement may take before it is cancelled. Default 5 s.
    package var statementTimeout: Duration = .seconds(5)

    package init(url: Secret) { self.url = url }
}
