package import Logging
import ServiceLifecycle

/// Takes back what dead workers held and keeps the tables in order. Every daemon runs one; they do not disturb each
/// other, so nobody has to be elected.
package struct Janitor: Service {
    private static let rescueInterval: Duration = .seconds(5)
    private static let maintenanceInterval: Duration = .seconds(3_600)
    private static let maintenanceRetry: Duration = .seconds(60)

    private let queue: JobQueue
    private let rescueInterval: Duration
    private let logger: Logger

    package init(queue: JobQueue, rescueInterval: Duration = Self.rescueInterval, logger: Logger) {
        self.queue = queue
        self.rescueInterval = rescueInterval
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await rescue() }
                group.addTask { await maintain() }
            }
        }
    }

    private func rescue() async {
        while !Task.isCancelled {
            // jittered, so that replicas started together do not sweep together
            do { try await Task.sleep(for: rescueInterval * Double.random(in: 0.8..<1.2)) } catch { return }
            do {
                for job in try await queue.rescue() {
                    logger.warning(
                        job.isBuried ? "buried a job that kills its worker" : "took back a job whose worker died",
                        metadata: ["job.id": "\(job.jobID)", "job.crashes": "\(job.crashes)"])
                }
            } catch {
                logger.error("rescue failed", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            }
        }
    }

    private func maintain() async {
        while !Task.isCancelled {
            var pause = Self.maintenanceInterval
            do {
                let strayed = try await queue.maintain()
                if strayed > 0 {
                    logger.error(
                        "events had no partition of their own; they were moved",
                        metadata: ["alert": "event_partition_missing", "events": "\(strayed)"])
                }
            } catch {
                pause = Self.maintenanceRetry
                logger.error("maintenance failed", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }
}
