import FailPoints
import OCI
package import Postgres

/// Writers of one subject's referrers take turns, in this daemon and in all others.
package struct SubjectTurns: Sendable {
    private let pool: ConnectionPool
    /// Longer than one publication's requests may take together.
    private let lasting: Duration

    package init(pool: ConnectionPool, lasting: Duration = .seconds(60)) {
        self.pool = pool
        self.lasting = lasting
    }

    /// Runs `write` while nobody else writes to the subject of `target` in `place`.
    /// - Throws: ``SigningError/subjectBusy`` at once if somebody does; what `write` throws.
    func taking<Result: Sendable>(
        _ target: Target, at place: Repository, for claim: Claim, _ write: () async throws -> Result
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
            result = try await write()
        } catch {
            // It runs out by itself; giving it up early is a courtesy that must not hide the failure. In a task of its own:
            // the failure may be this one's cancellation.
            await Task { try? await lease.release() }.value
            throw error
        }
        try await lease.release()
        return result
    }
}
