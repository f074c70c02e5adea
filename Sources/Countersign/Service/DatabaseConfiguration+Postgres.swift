package import Postgres

extension DatabaseConfiguration {
    /// How our connections are opened.
    /// - Parameter applicationName: what `pg_stat_activity` shows.
    /// - Throws: ``PostgresError`` if the URL cannot be read.
    package func connection(
        applicationName: String = "countersign", sessionSettings: [String: String] = [:]
    ) throws(PostgresError) -> PostgresConfiguration {
        var configuration = try PostgresConfiguration(url: url.exposed, password: password?.exposed)
        configuration.applicationName = applicationName
        configuration.connectTimeout = connectTimeout
        configuration.statementDeadline = statementTimeout
        configuration.sessionSettings = sessionSettings
        return configuration
    }
}
