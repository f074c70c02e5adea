package import Logging
import Postgres
import ServiceLifecycle

/// Keeps the tables as an operator would: what is older than it is kept goes, and the hot tables are vacuumed. One daemon at
/// a time; it keeps its turn, and whoever dies leaves it to the next within two minutes. Nothing depends on it but space and
/// speed.
package struct Maintenance: Service {
    private let queue: JobQueue
    private let retention: Retention
    private let turns: Turns
    private let metrics: MaintenanceMetrics
    private let settings: Settings
    private let logger: Logger

    package struct Settings: Sendable {
        /// Between two vacuums. Autovacuum has few workers, and one may be busy with a large table for hours.
        package var vacuum: Duration = .seconds(60)
        /// Between two looks at what is old.
        package var retention: Duration = .seconds(3_600)
        /// The longest one vacuum may take.
        package var vacuumDeadline: Duration = .seconds(300)
        /// Between two pieces, so that they leave room for the work.
        package var pause: Duration = .milliseconds(50)

        package init() {}
    }

    static let turn = "maintenance"
    /// Rows come and go here all the time.
    private static let hot = ["job", "outbox"]

    package init(
        queue: JobQueue, retention: Retention, metrics: MaintenanceMetrics, settings: Settings = .init(),
        logger: Logger
    ) {
        self.queue = queue
        self.retention = retention
        turns = Turns(pool: queue.pool, holder: queue.worker)
        self.metrics = metrics
        self.settings = settings
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var lookedAt: ContinuousClock.Instant?
            while !Task.isCancelled {
                let isDue = lookedAt.map { $0 + settings.retention <= .now } ?? true
                do throws(QueueError) {
                    if try await step(removing: isDue) { lookedAt = .now }
                } catch {
                    logger.error(
                        "maintenance failed; it is tried again",
                        metadata: ["error.code": "\(error.code)", "error": "\(error)"])
                }
                // jittered, so that replicas started together do not come together
                do { try await Task.sleep(for: settings.vacuum * Double.random(in: 0.8..<1.2)) } catch { return }
            }
        }
    }

    /// - Returns: whether what is old was removed.
    private func step(removing isDue: Bool) async throws(QueueError) -> Bool {
        guard try await turns.take(Self.turn) else { return false }
        do throws(QueueError) { try await vacuum() } catch {
            // what is old goes all the same
            logger.error(
                "vacuum failed; it is tried again", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
        }
        if isDue { try await removeOld() }
        return isDue
    }

    /// Removes what is older than it is kept, piece by piece, as long as it is this daemon's turn.
    /// - Returns: how much of each kind.
    @discardableResult
    package func removeOld() async throws(QueueError) -> [Retention.Kind: Int] {
        var removed: [Retention.Kind: Int] = [:]
        for kind in Retention.Kind.allCases {
            var place = Retention.Place()
            while !Task.isCancelled, try await turns.take(Self.turn) {
                let piece = try await retention.piece(of: kind, after: &place)
                removed[kind, default: 0] += piece.removed
                metrics.removed.increment(kind.rawValue, by: Double(piece.removed))
                if piece.isLast { break }
                do { try await Task.sleep(for: settings.pause) } catch { break }
            }
            if let count = removed[kind], count > 0 {
                logger.notice(
                    "removed what is not kept any longer",
                    metadata: ["kind": "\(kind.rawValue)", "removed": "\(count)"])
            }
        }
        return removed
    }

    /// Vacuums the hot tables, if they are this role's: only an owner may. Others leave it to autovacuum, which these tables
    /// have set to a few thousand rows.
    /// - Returns: those that were vacuumed.
    @discardableResult
    package func vacuum() async throws(QueueError) -> [String] {
        let owned = try await queue.pool.rows(
            """
            SELECT relname FROM pg_class WHERE relnamespace = 'countersign'::regnamespace
                AND relname = ANY(\(Self.hot)::text[]) AND pg_has_role(relowner, 'USAGE') ORDER BY relname
            """
        ).values { try $0.decode("relname", as: String.self) }
        for table in owned {
            do {
                try await queue.pool.withSession(deadline: settings.vacuumDeadline) { session in
                    _ = try session.execute(
                        Query(unsafeSQL: "VACUUM (INDEX_CLEANUP ON, SKIP_LOCKED) countersign.\(table)"))
                }
            } catch {
                throw QueueError(error)
            }
        }
        return owned
    }
}
