import FoundationEssentials
import Postgres

extension JobQueue {
    /// What a heartbeat found, as lease tokens: a worker may hold a job anew whose earlier claim it lost.
    package struct Heartbeat: Sendable, Equatable {
        /// Claims whose job somebody else holds now, or that ended: stop before the next outside call.
        package let lost: Set<Int64>
        /// Claims that an operator wants stopped: end them at the next step.
        package let cancelled: Set<Int64>
        /// Whether this process stands in the `worker` table: ``JobQueue/announce(host:version:draining:)`` it, if not.
        package let isKnown: Bool
    }

    /// Extends the leases of everything this process holds, in one statement, and its trust in those that are its own still.
    package func heartbeat(_ held: [Claim]) async throws(QueueError) -> Heartbeat {
        let trustedUntil = ContinuousClock.now + settings.lease - settings.leaseMargin
        let (worker, lease) = (worker, settings.lease)
        let jobs = held.sorted { $0.jobID < $1.jobID }
        let (isKnown, beats) = try await pool.together { session in
            let seen = try session.execute("UPDATE countersign.worker SET seen_at = now() WHERE id = \(worker)::uuid")
            let beats = try session.query(
                """
                -- locked in id order, as by every other statement that locks several jobs
                WITH held AS MATERIALIZED (
                    SELECT j.id
                    FROM unnest(\(jobs.map(\.jobID))::bigint[], \(jobs.map(\.leaseToken))::bigint[]) AS h(id, lease_token)
                    JOIN countersign.job j ON j.id = h.id AND j.leased AND j.lease_token = h.lease_token
                    ORDER BY j.id FOR NO KEY UPDATE OF j)
                UPDATE countersign.job SET lease_expires_at = now() + \(lease)::interval
                WHERE id = ANY(ARRAY(SELECT id FROM held))
                RETURNING lease_token, cancel_requested
                """
            ).map {
                (
                    token: try $0.decode("lease_token", as: Int64.self),
                    cancel: try $0.decode("cancel_requested", as: Bool.self)
                )
            }
            return (seen == 1, beats)
        }
        let lost = Set(held.map(\.leaseToken)).subtracting(beats.map(\.token))
        for claim in held where !lost.contains(claim.leaseToken) { claim.lease.renew(until: trustedUntil) }
        return Heartbeat(lost: lost, cancelled: Set(beats.filter(\.cancel).map(\.token)), isKnown: isKnown)
    }

    /// Says that this process runs nothing but this job now, so that a crash from here on is the job's own. Called for
    /// claims with `crashes ≥ settings.crashLimit`, once everything else has ended.
    package func markAlone(_ claim: Claim) async throws(QueueError) {
        let marked = try await pool.together { session in
            try session.execute(
                """
                UPDATE countersign.job SET alone = true
                WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased
                """)
        }
        guard marked == 1 else { throw .leaseLost(jobID: claim.jobID) }
    }

    /// Gives jobs back untouched (shutdown): due at once for others, the attempt not counted. Jobs that are not held any
    /// more are left alone.
    package func release(_ claims: [Claim]) async throws(QueueError) {
        let returns = claims.map { JobReturn($0, error: nil, uncountedAttempts: 1) }
        let released = try await pool.together { session in try Self.putBack(returns, in: session) }
        if !released.isEmpty { notifier.jobsAreDue() }
    }
}
