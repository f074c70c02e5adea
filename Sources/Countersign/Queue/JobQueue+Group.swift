import FoundationEssentials
import OCI
import Postgres

/// Jobs that may be signed with one statement.
///
/// One of them, the first, is due as soon as they enter the queue, the others a little later: whoever claims the first one
/// finds the rest and takes them along. If nobody does, they come due like all others, and any of them may be the first.
extension JobQueue {
    /// How much later the others are due.
    static let groupStagger: Duration = .seconds(60)

    /// Takes the jobs of a claimed one's group that nobody holds: what is due, and what only waits for the first of them, or was
    /// taken back from a worker that died. What has failed keeps its delay, and what must run alone stays.
    /// - Parameter limit: the most that are taken.
    func gather(_ group: Int64, limit: Int) async throws(QueueError) -> [Claim] {
        guard limit > 0 else { return [] }
        let trustedUntil = ContinuousClock.now + settings.lease - settings.leaseMargin
        let crashLimit = Int32(settings.crashLimit)
        let window = Self.groupStagger * 2
        let rest = Self.leaseStatement(worker: worker, lease: settings.lease)
        let claims = try await pool.together { session in
            let rows = try session.query(
                """
                WITH due AS MATERIALIZED (
                    SELECT id FROM countersign.job
                    WHERE group_id = \(group) AND NOT leased AND kind = \(JobKind.sign.rawValue)::text
                        AND lane = \(Lane.bulk.rawValue)::smallint AND crash_count < \(crashLimit)::int
                        -- a death is counted as a failure and as a crash
                        AND (run_at <= now() OR (failures <= crash_count AND run_at <= now() + \(window)::interval))
                    ORDER BY id LIMIT \(limit)::int FOR NO KEY UPDATE SKIP LOCKED),
                \(rest)
                """
            )
            return try Self.read(rows, trustedUntil: trustedUntil, in: session).map(\.claim)
        }
        return claims.sorted { $0.jobID < $1.jobID }
    }

    /// A job of a group on its way back, with why.
    struct GroupReturn: Sendable {
        let claim: Claim
        /// `nil`: not begun; the attempt does not count and is no failure.
        let error: Failure?
        let counts: Bool
    }

    /// Puts jobs of one group back so that they come together again: all are due after the same delay, or, where none has
    /// failed, the first of them, and the others wait for it. Jobs that are not held any more are left alone.
    func putBack(_ group: [GroupReturn], after delay: Duration) async throws(QueueError) {
        let first = group.map(\.claim.jobID).min()
        let returns = group.map { member in
            let waits = member.error == nil && member.claim.failures == 0 && member.claim.jobID != first
            return JobReturn(
                member.claim, error: member.error, delay: waits ? delay + Self.groupStagger : delay,
                uncountedAttempts: member.counts ? 0 : 1, failures: member.error.map { $0.upstream == nil ? 1 : 0 } ?? 0
            )
        }
        let settled = try await pool.together { session in try Self.putBack(returns, in: session) }
        if settled.values.contains(.requeued) { notifier.jobsAreDue() }
    }

    /// Puts back what was not begun.
    func putBack(unbegun group: [Claim], after delay: Duration) async throws(QueueError) {
        try await putBack(group.map { GroupReturn(claim: $0, error: nil, counts: false) }, after: delay)
    }

    /// Gives jobs that were queued in this transaction a number of their own, and lets all but the first wait for it. Only
    /// those that nobody but `deliveryKey` wants, and of which nothing is signed yet.
    /// - Returns: how many there are.
    @discardableResult
    static func group(
        jobsOf targets: [Int64], under deliveryKey: [UInt8], in session: Session
    ) throws -> Int {
        guard targets.count > 1 else { return 0 }
        return try session.execute(
            """
            WITH own AS MATERIALIZED (
                SELECT j.id FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id
                WHERE j.target_id = ANY(\(targets)::bigint[]) AND NOT j.leased AND j.kind = \(JobKind.sign.rawValue)::text
                    AND j.lane = \(Lane.bulk.rawValue)::smallint AND j.delivery_key = \(deliveryKey)
                    AND t.state <> 'signed' AND NOT EXISTS (SELECT FROM countersign.evidence_target e
                        WHERE e.target_id = t.id AND e.live)),
            numbered AS MATERIALIZED (
                SELECT nextval('countersign.signing_group') AS number, (SELECT min(id) FROM own) AS first)
            UPDATE countersign.job j
            SET group_id = n.number,
                run_at = CASE WHEN j.id = n.first THEN j.run_at ELSE now() + \(groupStagger)::interval END
            FROM numbered n WHERE j.id = ANY(ARRAY(SELECT id FROM own))
            """)
    }
}
