import FoundationEssentials
import OCI
import Postgres

/// Jobs that may be signed with one statement.
///
/// One of them, the first, is due as soon as they enter the queue, the others a little later: whoever claims the first one
/// finds the rest and takes them along. If nobody does, they come due like all others, and any of them may be the first.
extension JobQueue {
    /// How much later the others are due.
    static let groupStagger: Duration = .seconds(15)

    /// Takes the jobs of a claimed one's group that nobody holds, be they due or nearly so. What must run alone stays.
    /// - Parameter limit: the most that are taken.
    func gather(_ group: Int64, limit: Int) async throws(QueueError) -> [Claim] {
        guard limit > 0 else { return [] }
        let trustedUntil = ContinuousClock.now + settings.lease - settings.leaseMargin
        let crashLimit = Int32(settings.crashLimit)
        let rest = Self.leaseStatement(worker: worker, lease: settings.lease)
        let claims = try await pool.together { session in
            try session.query(
                """
                WITH due AS MATERIALIZED (
                    SELECT id FROM countersign.job
                    WHERE group_id = \(group) AND NOT leased AND kind = \(JobKind.sign.rawValue)::text
                        AND lane = \(Lane.bulk.rawValue)::smallint AND crash_count < \(crashLimit)::int
                        AND run_at <= now() + \(Self.groupStagger)::interval
                    ORDER BY id LIMIT \(limit)::int FOR NO KEY UPDATE SKIP LOCKED),
                \(rest)
                """
            ).map { try ClaimedRow($0, trustedUntil: trustedUntil).claim }
        }
        return claims.sorted { $0.jobID < $1.jobID }
    }

    /// Puts jobs of one group back together: the first of them is due after its delay, the others a stagger later, so that
    /// it finds them. Jobs that are not held any more are left alone.
    /// - Parameter error: `nil`: not begun; the attempt does not count and is no failure.
    func putBack(
        group claims: [Claim], error: Failure?, after delay: Duration, counts: Bool = false
    ) async throws(QueueError) {
        let ordered = claims.sorted { $0.jobID < $1.jobID }
        let returns = ordered.enumerated().map { position, claim in
            JobReturn(
                claim, error: error, delay: position == 0 ? delay : delay + Self.groupStagger,
                uncountedAttempts: counts ? 0 : 1, failures: error == nil ? 0 : 1)
        }
        let settled = try await pool.together { session in try Self.putBack(returns, in: session) }
        if settled.values.contains(.requeued) { notifier.jobsAreDue() }
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
