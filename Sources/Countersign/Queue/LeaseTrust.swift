import Synchronization

/// How long this process may believe that a job is its own without hearing so from the database.
///
/// On the monotonic clock, from before the claim or the heartbeat was sent, and ending a margin before the lease does: neither a
/// slow answer nor a wrong wall clock can stretch it. The database fences what is written there; what is sent elsewhere nobody
/// fences but the sender. So an attempt is stopped when this ends, and begins no write outside after it: by then another daemon
/// may be about to send the same.
package final class LeaseTrust: Sendable {
    private let jobID: Int64
    private let end: Mutex<ContinuousClock.Instant>

    package init(jobID: Int64, until end: ContinuousClock.Instant) {
        self.jobID = jobID
        self.end = Mutex(end)
    }

    /// A heartbeat found the job still ours; `end` is reckoned from before it was sent.
    func renew(until end: ContinuousClock.Instant) {
        self.end.withLock { $0 = max($0, end) }
    }

    /// Called before each write that the database does not fence.
    /// - Throws: ``QueueError/leaseUntrusted(jobID:)`` once it has ended.
    func check() throws(QueueError) {
        guard ContinuousClock.now < end.withLock({ $0 }) else { throw .leaseUntrusted(jobID: jobID) }
    }

    /// Runs `work`, and stops it when this ends without having been renewed.
    /// - Throws: ``QueueError/leaseUntrusted(jobID:)``, once `work` has ended; what `work` throws.
    func lasting<Result: Sendable>(_ work: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await self.untilEnd()
                return nil
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let result = ended { return result }
            }
            throw CancellationError()
        }
    }

    /// Until cancelled.
    private func untilEnd() async throws(QueueError) {
        while true {
            let end = end.withLock { $0 }
            do { try await Task.sleep(until: end, clock: .continuous) } catch { return }
            try check()
        }
    }
}
