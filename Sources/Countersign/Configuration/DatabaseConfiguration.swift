/// Where the queue and the records live: one PostgreSQL database, shared by all daemons.
package struct DatabaseConfiguration: Sendable {
    /// `postgresql://user@host:port/database?…`; a password inside it is kept secret like any other.
    package var url: Secret
    /// The password, where the URL has none. Default none (peer, trust, certificate or `~/.pgpass`).
    package var password: Secret?
    /// The webhooks' own role: it stores pushes, reads the queue and what became of it, and of what others pushed changes only
    /// what a push changes. Default none: as `url`.
    package var intake: Access?
    /// The role that owns the schema, for `countersign migrate`. Default none: as `url`. A daemon does not need it.
    package var migrate: Access?
    /// Past a pooler, for what needs a connection of its own: LISTEN, and what `migrate` locks. Default none: as `url`.
    package var direct: Access?
    /// Whether `url` (and `intake`) lead to a pooler that shares connections between transactions, such as PgBouncer in
    /// `pool_mode = transaction`. Default false. True prepares no statements and sets nothing for a session: the settings
    /// that a session needs must then stand at the role (`countersign migrate --grant` puts them there).
    package var pooler = false
    /// Connections of the workers. Default 8.
    package var workerConnections = 8
    /// Connections of the webhooks and of readiness, never lent to workers or readers. Default 4: a backlog cannot starve
    /// the intake.
    package var intakeConnections = 4
    /// Connections of the API. Default 4: waiting readers share them.
    package var apiConnections = 4
    /// The longest a connect may take. Default 5 s.
    package var connectTimeout: Duration = .seconds(5)
    /// The longest one statement may take before it is cancelled. Default 5 s.
    package var statementTimeout: Duration = .seconds(5)

    package init(url: Secret) { self.url = url }

    /// Another way to the same database.
    package struct Access: Sendable {
        package var url: Secret
        package var password: Secret?

        package init(url: Secret, password: Secret? = nil) {
            self.url = url
            self.password = password
        }
    }
}
