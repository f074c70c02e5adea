package import Postgres

extension DatabaseConfiguration {
    /// Who connects, and what for.
    package enum Purpose: Sendable {
        /// Workers, API, commands: `url`.
        case work
        /// The webhooks.
        case intake
        /// What cannot be shared between transactions: LISTEN.
        case direct
        /// Migrations and grants.
        case migrate

        /// The key of the configuration that says how.
        package var key: String {
            switch self {
            case .work: "database.url"
            case .intake: "database.intake"
            case .direct: "database.direct"
            case .migrate: "database.migrate"
            }
        }
    }

    /// What is configured to go its own way to the database; `work` always is.
    package var purposes: [Purpose] {
        let own: [(Purpose, Access?)] = [(.intake, intake), (.direct, direct), (.migrate, migrate)]
        return [.work] + own.filter { $0.1 != nil }.map(\.0)
    }

    /// How our connections are opened.
    /// - Parameter applicationName: what `pg_stat_activity` shows.
    /// - Throws: ``PostgresError`` if the URL cannot be read.
    package func connection(
        for purpose: Purpose = .work, applicationName: String = "countersign", sessionSettings: [String: String] = [:]
    ) throws(PostgresError) -> PostgresConfiguration {
        let access = access(for: purpose)
        var configuration = try PostgresConfiguration(url: access.url.exposed, password: access.password?.exposed)
        configuration.applicationName = applicationName
        configuration.connectTimeout = connectTimeout
        configuration.statementDeadline = statementTimeout
        let isShared = pooler && (purpose == .work || purpose == .intake)
        configuration.preparesStatements = !isShared
        // behind a pooler they would be set on a connection that the next transaction of somebody else gets
        configuration.sessionSettings = isShared ? [:] : sessionSettings
        return configuration
    }

    private func access(for purpose: Purpose) -> Access {
        let usual = Access(url: url, password: password)
        return switch purpose {
        case .work: usual
        case .intake: intake ?? usual
        case .direct: direct ?? usual
        case .migrate: migrate ?? direct ?? usual
        }
    }
}
