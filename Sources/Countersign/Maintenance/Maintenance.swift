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
    private let upkeep: TableUpkeep
    private let settings: Settings
    private let logger: Logger

    package struct Settings: Sendable {
        /// Between two vacuums.
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

    package init(
        queue: JobQueue, retention: Retention, metrics: MaintenanceMetrics, settings: Settings = .init(),
        logger: Logger
    ) {
        self.queue = queue
        self.retention = retention
        turns = Turns(pool: queue.pool, holder: queue.worker)
        self.metrics = metrics
        upkeep = TableUpkeep(pool: queue.pool, deadline: settings.vacuumDeadline)
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
        do throws(QueueError) { try await upkeep.vacuum() } catch {
            // what is old goes all the same
            logger.error(
                "vacuum failed; it is tried again", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
        }
        if isDue { try await removeOld() }
        return isDue
    }

    /// Removes what is older than it is kept, piece by piece, as long as it is this daemon's turn. A kind that fails, such as a
    /// partition that a dump is reading, leaves the others to go.
    /// - Returns: how much of each kind.
    /// - Throws: what the first kind that failed met, once all have been looked at.
    @discardableResult
    package func removeOld() async throws(QueueError) -> [Retention.Kind: Int] {
        var removed: [Retention.Kind: Int] = [:]
        var failure: QueueError?
        for kind in Retention.Kind.allCases {
            do throws(QueueError) { removed[kind] = try await remove(kind) } catch {
                logger.error(
                    "what is not kept any longer could not be removed; it is tried again",
                    metadata: ["kind": "\(kind.rawValue)", "error.code": "\(error.code)", "error": "\(error)"])
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return removed
    }

    /// - Returns: nil if it is not its turn.
    private func remove(_ kind: Retention.Kind) async throws(QueueError) -> Int? {
        var removed: Int?
        var place = Retention.Place()
        while !Task.isCancelled, try await turns.take(Self.turn) {
            let piece = try await retention.piece(of: kind, after: &place)
            removed = (removed ?? 0) + piece.removed
            metrics.removed.increment(kind.rawValue, by: Double(piece.removed))
            if piece.isLast { break }
            do { try await Task.sleep(for: settings.pause) } catch { break }
        }
        if let removed, removed > 0 {
            logger.notice(
                "removed what is not kept any longer",
                metadata: ["kind": "\(kind.rawValue)", "removed": "\(removed)"])
        }
        return removed
    }
}
