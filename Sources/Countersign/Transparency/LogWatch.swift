import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sigstore

/// Looks at each log in use every so often, and proves that it still tells the same history. Every daemon has one; they
/// share what they saw through the database.
package struct LogWatch: Service {
    /// A log under watch.
    package struct Watched: Sendable {
        package let reader: any LogReader
        package let verifier: CheckpointVerifier

        package init(reader: any LogReader, verifier: CheckpointVerifier) {
            self.reader = reader
            self.verifier = verifier
        }
    }

    private let logs: @Sendable () throws -> [Watched]
    private let records: LogRecords
    private let interval: Duration
    private let metrics: LogWatchMetrics
    private let logger: Logger
    private let unproven = UnprovenLooks()

    /// - Parameter logs: those of the moment; they rotate.
    package init(
        _ logs: @escaping @Sendable () throws -> [Watched], records: LogRecords, interval: Duration,
        metrics: LogWatchMetrics, logger: Logger
    ) {
        self.logs = logs
        self.records = records
        self.interval = interval
        self.metrics = metrics
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await look()
                // jittered, so that replicas started together do not ask together
                do { try await Task.sleep(for: interval * Double.random(in: 0.8..<1.2)) } catch { return }
            }
        }
    }

    /// One look at every log.
    package func look() async {
        let watched: [Watched]
        do {
            watched = try logs()
        } catch {
            // whoever signs meets the same fault, and reports it
            return
        }
        for log in watched {
            metrics.watch(log.reader.id)
            do {
                try await look(at: log)
            } catch is CancellationError {
                return
            } catch SigstoreError.withheld {
                // it is down or busy, which whoever signs reports; the next look comes
                continue
            } catch {
                let code = (error as? SigstoreError)?.code ?? (error as? QueueError)?.code ?? "log.watch"
                metrics.failures.increment(log.reader.id, code)
                logger.warning(
                    "a log could not be looked at",
                    metadata: ["log.url": "\(log.reader.id)", "error.code": "\(code)", "error": "\(error)"])
            }
        }
    }

    /// Checkpoints of entries that a look had no room for, or that are larger than what the log showed it.
    private func tellWaiting(in store: CheckpointRecords, _ id: String) async {
        // without the database the look itself has failed, and said so
        guard let waiting = try? await store.waiting() else { return }
        metrics.waiting.set(Double(waiting), id)
        guard waiting > 0 else { return }
        logger.info(
            "checkpoints of a log wait for their proof of consistency",
            metadata: ["log.url": "\(id)", "checkpoints": "\(waiting)"])
    }

    private func look(at log: Watched) async throws {
        let id = log.reader.id
        metrics.inconsistent.set(try await records.alarm(of: id) == nil ? 0 : 1, id)
        let store = records.store(of: id)
        let check = ConsistencyCheck(log.reader, verifier: log.verifier, store: store)
        let result: Result<ConsistencyCheck.Finding, any Error>
        do { result = .success(try await check.look()) } catch { result = .failure(error) }
        // also after a look that failed: what waits then grows
        await tellWaiting(in: store, id)
        let finding = try result.get()
        // what the log's own words prove is told also if the database fails here
        let persisting = finding.contradiction == nil ? try await unproven.persisting(finding, in: store) : nil
        if let active = finding.newest.first {
            metrics.size.set(Double(active.checkpoint.size), id)
            metrics.cosignatures.set(Double(active.cosignatures.count), id)
        }
        guard let contradiction = finding.contradiction ?? persisting else {
            for tree in finding.newest {
                if let doubt = finding.doubt(of: tree.checkpoint.origin, at: id) { throw doubt }
            }
            metrics.lastLook.set(Date().timeIntervalSince1970, id)
            return
        }
        metrics.lastLook.set(Date().timeIntervalSince1970, id)
        metrics.inconsistent.set(1, id)
        guard try await records.raise(contradiction, of: id) else { return }
        logger.critical(
            "a transparency log contradicts itself; nothing is entered in it until the alarm is cleared",
            metadata: [
                "error.code": "log.inconsistent", "log.url": "\(id)", "log.origin": "\(contradiction.origin)",
                "error": "\(contradiction.detail)",
                "fix": "keep both checkpoints (table log_alarm) as evidence and ask the log's operator",
            ])
    }
}

/// What an operator sees of the logs. `countersign_log_inconsistent` above 0 is the alarm.
package struct LogWatchMetrics: Sendable {
    let inconsistent: Gauge
    let size: Gauge
    let cosignatures: Gauge
    let waiting: Gauge
    let lastLook: Gauge
    let failures: Counter

    package init(_ registry: MetricsRegistry) {
        inconsistent = registry.gauge(
            "countersign_log_inconsistent", "1 while a log that contradicted itself is not used.", labels: ["log"])
        size = registry.gauge("countersign_log_tree_size", "Leaves of the log's active tree.", labels: ["log"])
        cosignatures = registry.gauge(
            "countersign_log_cosignatures", "Known witnesses on the newest checkpoint.", labels: ["log"])
        waiting = registry.gauge(
            "countersign_log_checkpoints_waiting",
            "Checkpoints that came with entries and are not yet proven to lie in the log's history.", labels: ["log"])
        lastLook = registry.gauge(
            "countersign_log_look_timestamp_seconds", "When the log was last read and its proofs checked.",
            labels: ["log"])
        failures = registry.counter(
            "countersign_log_look_failures_total", "Looks at a log that failed, by code.", labels: ["log", "code"])
    }

    /// Before the first good look: how long there has been none is counted from now. A log that is away from the start would
    /// have no series, and nobody would hear that it is not looked at.
    func watch(_ log: String) {
        if !lastLook.shows(log) { lastLook.set(Date().timeIntervalSince1970, log) }
    }
}
