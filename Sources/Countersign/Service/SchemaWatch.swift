package import Logging
package import Postgres
import ServiceLifecycle

/// Sees to it that a daemon does not go on with a database that a newer program has migrated beyond what it can work with:
/// its statements would fail one by one, or worse, mean something else. What a migration declares itself compatible with
/// goes on; else this daemon ends with the reason, as it would refuse to start.
package struct SchemaWatch: Service {
    private let migrator: Migrator
    private let pool: ConnectionPool
    private let interval: Duration
    private let logger: Logger

    package static let interval: Duration = .seconds(10)

    /// - Parameter migrator: knows the migrations that this program came with.
    package init(migrator: Migrator, pool: ConnectionPool, interval: Duration = Self.interval, logger: Logger) {
        self.migrator = migrator
        self.pool = pool
        self.interval = interval
        self.logger = logger
    }

    /// - Throws: ``PreflightError/migrationFault(_:)``, which ends the daemon.
    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: interval * Double.random(in: 0.8..<1.2)) } catch { return }
                try await look()
            }
        }
    }

    /// One look. A database that does not answer says nothing about its schema.
    package func look() async throws(PreflightError) {
        let fault: MigrationFault?
        do { fault = try await migrator.overtaken(pool) } catch {
            let level: Logger.Level = error.isTransient ? .debug : .warning
            return logger.log(
                level: level, "the schema was not looked at",
                metadata: ["error.code": "\(error.code)", "error": "\(error)"])
        }
        guard let fault else { return }
        logger.critical(
            "the database was migrated beyond this version; the daemon ends",
            metadata: ["error.code": "database.migration_fault", "error": "\(fault)"])
        throw .migrationFault("\(fault)")
    }
}
