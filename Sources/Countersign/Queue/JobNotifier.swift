package import Logging
package import Postgres
import ServiceLifecycle

/// Tells workers that jobs are due: those of this process directly, those of other daemons through `NOTIFY`.
///
/// Never inside the transaction that inserts: NOTIFY takes a lock for the whole cluster at commit (measured: inserts
/// fall to a fifth, on a slow disk to a sixteenth). So it runs on a connection of its own, at once for the first and at
/// most once in 25 ms after that.
package struct JobNotifier: Service {
    package static let channel = "countersign_job"
    private static let interval: Duration = .milliseconds(25)

    package let signal: JobSignal
    private let pool: ConnectionPool?
    private let logger: Logger
    private let due: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    /// - Parameter pool: of one connection. Without it only this process is told, as in tests of a single worker.
    package init(signal: JobSignal, pool: ConnectionPool?, logger: Logger) {
        self.signal = signal
        self.pool = pool
        self.logger = logger
        // One remembered event is enough: it stands for all that came since the last NOTIFY.
        (due, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func jobsAreDue() {
        signal.raise()
        continuation.yield()
    }

    package func run() async throws {
        guard let pool else { return }
        await cancelWhenGracefulShutdown {
            for await _ in due {
                do throws(PostgresError) {
                    try await pool.execute("SELECT pg_notify(\(Self.channel)::text, '')")
                } catch {
                    // Others find the jobs by polling.
                    logger.debug("NOTIFY failed", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
                }
                do { try await Task.sleep(for: Self.interval) } catch { return }
            }
        }
    }
}
