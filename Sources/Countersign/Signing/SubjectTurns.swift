import FailPoints
import OCI
package import Postgres

/// Writers of one subject's referrers take turns, in this daemon and in all others.
package struct SubjectTurns: Sendable {
    private let pool: ConnectionPool
    /// How long a turn outlives a daemon that died with it.
    private let lasting: Duration

    package init(pool: ConnectionPool, lasting: Duration = .seconds(60)) {
        self.pool = pool
        self.lasting = lasting
    }

    /// Runs `write` while nobody else writes to the subject of `target` in `place`, and renews the turn meanwhile: its requests
    /// may wait for the registry's budget, longer together than a turn is. If the turn is lost all the same, `write` is stopped.
    /// - Throws: ``QueueError/leaseUntrusted(jobID:)``; ``SigningError/subjectBusy`` at once if somebody does, or when the turn was lost; what `write` throws.
    func taking<Result: Sendable>(
        _ target: Target, at place: Repository, for claim: Claim, _ write: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try FailPoint.turn.before(QueueError.injected)
        guard
            let lease = try await SubjectLease.acquire(
                for: claim, of: target, at: place, lasting: lasting, in: pool)
        else {
            throw SigningError.subjectBusy
        }
        let result: Result
        do {
            try FailPoint.turn.after(QueueError.injected)
            try claim.lease.check()
            result = try await renewing(lease, write)
        } catch {
            // It runs out by itself; giving it up early is a courtesy that must not hide the failure. In a task of its own:
            // the failure may be this one's cancellation.
            await Task { try? await lease.release() }.value
            throw error
        }
        try await lease.release()
        return result
    }

    private func renewing<Result: Sendable>(
        _ lease: SubjectLease, _ write: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await write() }
            group.addTask {
                try await renew(lease)
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
    /// - Throws: ``SigningError/subjectBusy`` when the turn is somebody else's, or nobody could say before its end that it is not.
    private func renew(_ lease: SubjectLease) async throws {
        var trustedUntil = ContinuousClock.now + lasting
        while true {
            do { try await Task.sleep(for: lasting / 3) } catch { return }
            let asked = ContinuousClock.now
            let isOurs: Bool
            do { isOurs = try await lease.renew(for: lasting) } catch {
                if Task.isCancelled { return }
                guard error.isTransient, ContinuousClock.now + lasting / 3 < trustedUntil else {
                    throw SigningError.subjectBusy
                }
                continue
            }
            guard isOurs else { throw SigningError.subjectBusy }
            trustedUntil = asked + lasting
        }
    }
}
