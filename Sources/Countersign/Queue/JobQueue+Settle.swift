import FailPoints
import FoundationEssentials
import OCI
import Postgres

extension JobQueue {
    /// Ends an attempt. Fenced: if the lease is lost, nothing changes.
    /// - Throws: ``QueueError/leaseLost(jobID:)`` when the job is not this attempt's any more.
    package func settle(_ claim: Claim, as outcome: Outcome) async throws(QueueError) -> Settlement {
        try FailPoint.settle.before(QueueError.injected)
        let settlement = try await end(claim, as: outcome)
        try FailPoint.settle.after(QueueError.injected)
        return settlement
    }

    private func end(_ claim: Claim, as outcome: Outcome) async throws(QueueError) -> Settlement {
        switch outcome {
        case .signed(let record):
            return try Self.held(try await complete(claim, record), claim)
        case .refused(let failure):
            return try await conclude(claim, as: .refused, failure)
        case .gone(let failure):
            return try await conclude(claim, as: .gone, failure)
        case .failed(let failure):
            return try await conclude(claim, as: .failed, failure)
        case .broken(let failure):
            return try await conclude(claim, as: .signed, failure)
        case .retry(let failure, let delay, let counts):
            // an upstream that was not even asked is no failure of the job's: the backoff does not grow by it
            let back = JobReturn(
                claim, error: failure, delay: delay, uncountedAttempts: counts ? 0 : 1,
                failures: failure.upstream == nil ? 1 : 0)
            return try await putBack(back, claim)
        case .released:
            return try await putBack(JobReturn(claim, error: nil, uncountedAttempts: 1), claim)
        case .ended(let end):
            let settled = try await pool.together { session in try end.settle(claim, in: session) }
            if settled == .requeued || (settled != nil && end.leavesWork) { notifier.jobsAreDue() }
            return try Self.held(settled, claim)
        }
    }

    private static func held(_ settlement: Settlement?, _ claim: Claim) throws(QueueError) -> Settlement {
        guard let settlement else { throw .leaseLost(jobID: claim.jobID) }
        return settlement
    }

    private func putBack(_ back: JobReturn, _ claim: Claim) async throws(QueueError) -> Settlement {
        let settled = try await pool.together { session in
            let settled = try Self.putBack([back], in: session)
            if let failure = back.error, settled[claim.jobID] != nil {
                try JobKind.known[claim.kind]?.putBack(claim, after: failure, in: session)
            }
            return settled
        }
        if settled[claim.jobID] == .requeued { notifier.jobsAreDue() }
        return try Self.held(settled[claim.jobID], claim)
    }

    /// Refused, gone, given up, or found broken. A push that came meanwhile wins: the job is due again, at its first attempt.
    private func conclude(
        _ claim: Claim, as state: TargetState, _ failure: Failure
    ) async throws(QueueError) -> Settlement {
        let settled = try await pool.together { session in
            try Self.conclude(jobID: claim.jobID, leaseToken: claim.leaseToken, as: state, failure, in: session)
        }
        if settled == .requeued { notifier.jobsAreDue() }
        return try Self.held(settled, claim)
    }
}

extension JobQueue {
    /// Ends a signed job.
    /// - Returns: nil if its lease is lost.
    private func complete(_ claim: Claim, _ record: SignedRecord) async throws(QueueError) -> Settlement? {
        let settled = try await pool.together { session in
            let ended = try Self.locking([claim.jobID], then: Self.completeStatement(claim, record), in: session)
            return try Self.settlements(ended, ended: .signed)[claim.jobID]
        }
        if settled == .requeued { notifier.jobsAreDue() }
        return settled
    }

    static func completeStatement(_ claim: Claim, _ record: SignedRecord) -> Query {
        """
        WITH settled (id, lease_token, identity, issuer, log_id, log_index, log_uuid, integrated_at, referrer_digest, rule,
                policy_version, formats, signed_at) AS MATERIALIZED (
            VALUES (\(claim.jobID)::bigint, \(claim.leaseToken)::bigint, \(record.identity)::text, \(record.issuer)::text,
                \(record.logID)::text, \(record.logIndex)::bigint, \(record.logUUID)::text,
                \(record.integratedAt)::timestamptz, \(record.referrer.description)::text, \(record.rule)::text,
                \(record.policyVersion)::text, \(record.formats.map(\.rawValue).joined(separator: ","))::text,
                \(record.signedAt)::timestamptz)),
        held AS MATERIALIZED (
            SELECT j.id, j.target_id, j.pushed_again, j.received_at, s.formats
            FROM settled s
            JOIN countersign.job j ON j.id = s.id AND j.lease_token = s.lease_token AND j.leased AND j.target_id IS NOT NULL
            FOR UPDATE OF j),
        \(endedOrRequeued()),
        verified AS (
            UPDATE countersign.attachment a SET verified_at = now(), missing_at = NULL
            FROM held h
            WHERE a.target_id = h.target_id AND a.pushed_at IS NOT NULL
                AND a.format = ANY(string_to_array(h.formats, ','))
                AND EXISTS (SELECT FROM countersign.evidence_target e
                    WHERE e.evidence_id = a.evidence_id AND e.target_id = a.target_id AND e.live)
            RETURNING 1),
        shown AS (
            UPDATE countersign.target t
            SET state = 'signed', identity = s.identity, issuer = s.issuer, log_id = s.log_id,
                log_index = s.log_index, log_uuid = s.log_uuid, integrated_at = s.integrated_at,
                referrer_digest = s.referrer_digest, rule = s.rule, policy_version = s.policy_version,
                signed_at = CASE WHEN s.signed_at IS NOT NULL THEN least(s.signed_at, now())
                    WHEN t.log_id = s.log_id AND t.log_index = s.log_index THEN t.signed_at ELSE now() END,
                verified_at = now(), updated_at = now(), last_error = NULL
            FROM held h JOIN settled s ON s.id = h.id
            WHERE t.id = h.target_id AND t.state <> 'revoked'
            RETURNING 1)
        SELECT id, pushed_again, false AS cancelled, now() - received_at AS age FROM held
        """
    }

    /// What is said before the signature was looked at: one that is there stands.
    static let saidBefore = JobKind.handlers.reduce(into: Set<String>()) { $0.formUnion($1.saidBefore) }

    /// Ends one job without a signature. A tag's job has no target to show its end: it always leaves a dead letter.
    static func conclude(
        jobID: Int64, leaseToken: Int64, as state: TargetState, _ failure: Failure, in session: Session
    ) throws -> Settlement? {
        let error = try failure.json()
        let rows = try locking(
            [jobID],
            then: """
                WITH held AS MATERIALIZED (
                    SELECT * FROM countersign.job
                    WHERE id = \(jobID) AND lease_token = \(leaseToken) AND leased FOR UPDATE),
                \(endedOrRequeued(error: "\(error)::jsonb")),
                buried AS (
                    INSERT INTO countersign.dead_letter (job_id, kind, target_id, repository_id, tag, delivery_key, received_at,
                        attempts, crashes, first_failed_at, error)
                    SELECT id, kind, target_id, repository_id, tag, delivery_key, received_at, attempt, crash_count,
                        first_failed_at, \(error)::jsonb
                    FROM held
                    WHERE NOT pushed_again AND NOT cancel_requested AND (\(state.rawValue)::text = 'failed' OR target_id IS NULL)
                    ON CONFLICT (target_id) DO UPDATE SET job_id = excluded.job_id, kind = excluded.kind, tag = excluded.tag,
                        delivery_key = excluded.delivery_key, buried_at = now(), received_at = excluded.received_at,
                        attempts = excluded.attempts, crashes = excluded.crashes,
                        first_failed_at = excluded.first_failed_at, error = excluded.error
                    RETURNING 1),
                shown AS (
                    UPDATE countersign.target t
                    SET state = CASE
                            WHEN h.pushed_again AND t.state <> 'signed' THEN 'queued'
                            WHEN h.cancel_requested AND t.state <> 'signed' THEN 'cancelled'
                            WHEN h.pushed_again OR h.cancel_requested THEN t.state
                            -- the signature stands; what is refused is to make another
                            WHEN t.state = 'signed' AND \(state.rawValue)::text = 'refused'
                                AND \(saidBefore.contains(failure.code))
                                THEN 'signed'
                            ELSE \(state.rawValue)::text END,
                        last_error = \(error)::jsonb, updated_at = now()
                    FROM held h WHERE t.id = h.target_id AND t.state <> 'revoked'
                    RETURNING 1)
                SELECT id, target_id, pushed_again, cancel_requested AND NOT pushed_again AS cancelled, now() - received_at AS age
                FROM held
                """, in: session)
        try forgetCancelled(rows, in: session)
        return try settlements(rows, ended: state)[jobID]
    }

    /// The part of a statement that ends the jobs of its expression `held`; those that were pushed again meanwhile are due
    /// now, as if for the first time.
    static func endedOrRequeued(error: Query = "NULL") -> Query {
        """
        ended AS (
            DELETE FROM countersign.job
            WHERE id = ANY(ARRAY(SELECT id FROM held WHERE NOT pushed_again)) RETURNING 1),
        requeued AS (
            UPDATE countersign.job j
            SET leased = false, worker = NULL, lease_expires_at = NULL, alone = false, pushed_again = false,
                cancel_requested = false, run_at = now(), received_at = now(), attempt = 0, failures = 0,
                first_failed_at = NULL, crash_count = 0, last_error = \(error)
            WHERE j.id = ANY(ARRAY(SELECT id FROM held WHERE pushed_again)) RETURNING 1)
        """
    }

    /// Locks jobs, in id order, before the statement that ends them: that one then starts with a snapshot in which they
    /// cannot change. In one statement, a push or a cancellation that commits between its snapshot and its lock would be
    /// seen by some parts of it and not by others.
    static func lock(_ jobs: [Int64], in session: Session) throws {
        _ = try session.query(locking(jobs))
    }

    /// The same, and the statement that ends them, in one round trip.
    /// - Returns: what the statement returned.
    static func locking(_ jobs: [Int64], then statement: Query, in session: Session) throws -> [Row] {
        try session.pipeline([locking(jobs), statement])[1]
    }

    /// One job by its id: how many an array has is only known with its value, and with `ANY` PostgreSQL plans each call anew
    /// (measured: 0.13 ms of 0.17).
    private static func locking(_ jobs: [Int64]) -> Query {
        guard jobs.count > 1 else {
            return "SELECT id FROM countersign.job WHERE id = \(jobs.first ?? 0) FOR UPDATE"
        }
        return "SELECT id FROM countersign.job WHERE id = ANY(\(jobs.sorted())::bigint[]) ORDER BY id FOR UPDATE"
    }

    /// A generation that was cancelled while a worker had it, and of which nothing exists, never was either.
    /// - Parameter rows: what the statement that ended the jobs returned, with `target_id`.
    static func forgetCancelled(_ rows: [Row], in session: Session) throws {
        try forgetGenerations(
            of: rows.filter { try $0.decode("cancelled") }.compactMap { try $0.decode("target_id", as: Int64?.self) },
            in: session)
    }

    /// `ended`: the state of those that are neither cancelled nor due again; `nil` for those that are put back.
    static func settlements(_ rows: [Row], ended state: TargetState?) throws -> [Int64: Settlement] {
        var settlements: [Int64: Settlement] = [:]
        for row in rows {
            let age: Duration = try row.decode("age")
            settlements[try row.decode("id")] =
                if try row.decode("cancelled", as: Bool.self) {
                    .ended(.cancelled, sincePush: age)
                } else if try row.decode("pushed_again", as: Bool.self) {
                    .requeued
                } else if let state {
                    .ended(state, sincePush: age)
                } else {
                    .postponed
                }
        }
        return settlements
    }
}
