import FoundationEssentials
import OCI
import Postgres

extension JobQueue {
    /// Ends an attempt. Fenced: if the lease is lost, nothing changes.
    /// - Throws: ``QueueError/leaseLost(jobID:)`` when the job is not this attempt's any more.
    package func settle(_ claim: Claim, as outcome: Outcome) async throws(QueueError) -> Settlement {
        switch outcome {
        case .signed(let record):
            return try Self.held(try await complete([(claim, record)])[claim.jobID], claim)
        case .refused(let failure):
            return try await conclude(claim, as: .refused, failure)
        case .gone(let failure):
            return try await conclude(claim, as: .gone, failure)
        case .failed(let failure):
            return try await conclude(claim, as: .failed, failure)
        case .retry(let failure, let delay, let counts):
            let back = JobReturn(claim, error: failure, delay: delay, uncountedAttempts: counts ? 0 : 1, failures: 1)
            return try await putBack(back, claim)
        case .released:
            return try await putBack(JobReturn(claim, error: nil, uncountedAttempts: 1), claim)
        case .resolved(let requests):
            return try await resolve(claim, into: requests)
        }
    }

    private static func held(_ settlement: Settlement?, _ claim: Claim) throws(QueueError) -> Settlement {
        guard let settlement else { throw .leaseLost(jobID: claim.jobID) }
        return settlement
    }

    private func putBack(_ back: JobReturn, _ claim: Claim) async throws(QueueError) -> Settlement {
        let settled = try await pool.together { session in try Self.putBack([back], in: session) }
        if settled[claim.jobID] == .requeued { notifier.jobsAreDue() }
        return try Self.held(settled[claim.jobID], claim)
    }

    /// Refused, gone, given up. A push that came meanwhile wins: the job is due again, at its first attempt.
    private func conclude(
        _ claim: Claim, as state: TargetState, _ failure: Failure
    ) async throws(QueueError) -> Settlement {
        let settled = try await pool.together { session in
            try Self.conclude(jobID: claim.jobID, leaseToken: claim.leaseToken, as: state, failure, in: session)
        }
        if settled == .requeued { notifier.jobsAreDue() }
        return try Self.held(settled, claim)
    }

    /// The tag's targets are enqueued and its job ends in one transaction: no crash can do one without the other.
    private func resolve(_ claim: Claim, into requests: [EnqueueRequest]) async throws(QueueError) -> Settlement {
        let age: Duration? = try await pool.together { session in
            let ended = try session.query(
                """
                DELETE FROM countersign.job
                WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased AND kind = 'resolve'
                RETURNING now() - received_at AS age
                """)
            guard let row = ended.first else { return nil }
            _ = try Self.store(requests, in: session)
            return try row.decode("age")
        }
        guard let age else { throw .leaseLost(jobID: claim.jobID) }
        notifier.jobsAreDue()
        return .ended(nil, sincePush: age)
    }
}

extension JobQueue {
    /// Ends signed jobs, many in one commit. A job id that is missing from the answer lost its lease.
    package func complete(_ signed: [(claim: Claim, record: SignedRecord)]) async throws(QueueError) -> [Int64:
        Settlement]
    {
        guard !signed.isEmpty else { return [:] }
        let settled = try await pool.together { session in
            try Self.settlements(session.query(Self.completeStatement(signed)), ended: .signed)
        }
        if settled.values.contains(.requeued) { notifier.jobsAreDue() }
        return settled
    }

    static func completeStatement(_ signed: [(claim: Claim, record: SignedRecord)]) -> Query {
        """
        WITH settled AS MATERIALIZED (
            SELECT * FROM unnest(
                \(signed.map(\.claim.jobID))::bigint[], \(signed.map(\.claim.leaseToken))::bigint[],
                \(signed.map(\.record.identity))::text[], \(signed.map(\.record.issuer))::text[],
                \(signed.map(\.record.logID))::text[], \(signed.map(\.record.logIndex))::bigint[],
                \(signed.map(\.record.logUUID))::text[], \(signed.map(\.record.integratedAt))::timestamptz[],
                \(signed.map { $0.record.referrer.description })::text[],
                \(signed.map(\.record.rule))::text[], \(signed.map(\.record.policyVersion))::text[])
            AS s(id, lease_token, identity, issuer, log_id, log_index, log_uuid, integrated_at, referrer_digest, rule,
                policy_version)),
        held AS MATERIALIZED (
            SELECT j.id, j.target_id, j.pushed_again, j.received_at
            FROM settled s
            JOIN countersign.job j ON j.id = s.id AND j.lease_token = s.lease_token AND j.leased AND j.kind = 'sign'
            ORDER BY j.id FOR UPDATE OF j),
        ended AS (
            DELETE FROM countersign.job
            WHERE id = ANY(ARRAY(SELECT id FROM held WHERE NOT pushed_again)) RETURNING 1),
        requeued AS (
            UPDATE countersign.job j
            SET leased = false, worker = NULL, lease_expires_at = NULL, alone = false, pushed_again = false,
                cancel_requested = false, run_at = now(), received_at = now(), attempt = 0, failures = 0,
                first_failed_at = NULL, crash_count = 0, last_error = NULL
            WHERE j.id = ANY(ARRAY(SELECT id FROM held WHERE pushed_again)) RETURNING 1),
        verified AS (
            UPDATE countersign.attachment a SET verified_at = now(), missing_at = NULL
            WHERE a.target_id = ANY(ARRAY(SELECT target_id FROM held)) AND a.pushed_at IS NOT NULL
                AND EXISTS (SELECT FROM countersign.evidence_target e
                    WHERE e.evidence_id = a.evidence_id AND e.target_id = a.target_id AND e.live)
            RETURNING 1),
        shown AS (
            UPDATE countersign.target t
            SET state = 'signed', identity = s.identity, issuer = s.issuer, log_id = s.log_id,
                log_index = s.log_index, log_uuid = s.log_uuid, integrated_at = s.integrated_at,
                referrer_digest = s.referrer_digest, rule = s.rule, policy_version = s.policy_version,
                signed_at = CASE WHEN t.log_id = s.log_id AND t.log_index = s.log_index THEN t.signed_at ELSE now() END,
                verified_at = now(), updated_at = now(), last_error = NULL
            FROM held h JOIN settled s ON s.id = h.id
            WHERE t.id = h.target_id AND t.state <> 'revoked'
            RETURNING 1)
        SELECT id, pushed_again, false AS cancelled, now() - received_at AS age FROM held
        """
    }

    /// Ends one job without a signature. A resolve job has no target to show its end: it always leaves a dead letter.
    static func conclude(
        jobID: Int64, leaseToken: Int64, as state: TargetState, _ failure: Failure, in session: Session
    ) throws -> Settlement? {
        let error = try failure.json()
        let rows = try session.query(
            """
            WITH held AS MATERIALIZED (
                SELECT * FROM countersign.job
                WHERE id = \(jobID) AND lease_token = \(leaseToken) AND leased FOR UPDATE),
            ended AS (
                DELETE FROM countersign.job
                WHERE id = ANY(ARRAY(SELECT id FROM held WHERE NOT pushed_again)) RETURNING 1),
            requeued AS (
                UPDATE countersign.job j
                SET leased = false, worker = NULL, lease_expires_at = NULL, alone = false, pushed_again = false,
                    run_at = now(), received_at = now(), attempt = 0, failures = 0, first_failed_at = NULL,
                    crash_count = 0, last_error = \(error)::jsonb
                WHERE j.id = ANY(ARRAY(SELECT id FROM held WHERE pushed_again)) RETURNING 1),
            buried AS (
                INSERT INTO countersign.dead_letter (job_id, kind, target_id, repository_id, tag, received_at, attempts,
                    crashes, first_failed_at, error)
                SELECT id, kind, target_id, repository_id, tag, received_at, attempt, crash_count, first_failed_at,
                    \(error)::jsonb
                FROM held
                WHERE NOT pushed_again AND NOT cancel_requested AND (\(state.rawValue)::text = 'failed' OR target_id IS NULL)
                ON CONFLICT (target_id) DO UPDATE SET job_id = excluded.job_id, buried_at = now(),
                    attempts = excluded.attempts, crashes = excluded.crashes, error = excluded.error
                RETURNING 1),
            shown AS (
                UPDATE countersign.target t
                SET state = CASE
                        WHEN h.cancel_requested AND t.state <> 'signed' THEN 'cancelled'
                        WHEN h.pushed_again AND t.state <> 'signed' THEN 'queued'
                        WHEN h.pushed_again OR h.cancel_requested THEN t.state
                        -- the signature stands and verifies; policy refuses to make another
                        WHEN t.state = 'signed' AND \(state.rawValue)::text = 'refused' THEN 'signed'
                        ELSE \(state.rawValue)::text END,
                    last_error = \(error)::jsonb, updated_at = now()
                FROM held h WHERE t.id = h.target_id AND t.state <> 'revoked'
                RETURNING 1)
            SELECT id, pushed_again, cancel_requested AS cancelled, now() - received_at AS age FROM held
            """)
        return try settlements(rows, ended: state)[jobID]
    }

    /// Returns jobs to the queue: retried, released or rescued. One whose cancelling was asked for ends here.
    /// - Returns: how each that was still held went; `.ended(.cancelled, …)`, `.requeued` (due now) or `.postponed`.
    static func putBack(_ returns: [JobReturn], in session: Session) throws -> [Int64: Settlement] {
        guard !returns.isEmpty else { return [:] }
        let jobs = returns.sorted { $0.jobID < $1.jobID }
        let rows = try session.query(
            """
            WITH back AS MATERIALIZED (
                SELECT * FROM unnest(
                    \(jobs.map(\.jobID))::bigint[], \(jobs.map(\.leaseToken))::bigint[], \(jobs.map(\.delay))::interval[],
                    \(jobs.map(\.uncountedAttempts))::int[], \(jobs.map(\.failures))::int[], \(jobs.map(\.crashes))::int[],
                    \(try jobs.map { try $0.error?.json() })::text[])
                AS b(id, lease_token, delay, uncounted, failures, crashes, error)),
            held AS MATERIALIZED (
                SELECT j.id, j.target_id, j.pushed_again, j.cancel_requested, j.received_at
                FROM back b JOIN countersign.job j ON j.id = b.id AND j.lease_token = b.lease_token AND j.leased
                ORDER BY j.id FOR UPDATE OF j),
            ended AS (
                DELETE FROM countersign.job
                WHERE id = ANY(ARRAY(SELECT id FROM held WHERE cancel_requested)) RETURNING 1),
            requeued AS (
                UPDATE countersign.job j
                SET leased = false, worker = NULL, lease_expires_at = NULL, alone = false, pushed_again = false,
                    -- an attempt that ended while it ran alone is proof of innocence
                    crash_count = CASE WHEN j.alone THEN 0 ELSE j.crash_count END + b.crashes,
                    attempt = greatest(j.attempt - b.uncounted, 0), failures = j.failures + b.failures,
                    first_failed_at = CASE WHEN b.failures > 0 THEN coalesce(j.first_failed_at, now())
                        ELSE j.first_failed_at END,
                    run_at = CASE WHEN j.pushed_again THEN now() ELSE now() + b.delay END,
                    last_error = coalesce(b.error::jsonb, j.last_error)
                FROM back b
                WHERE b.id = j.id AND j.id = ANY(ARRAY(SELECT id FROM held WHERE NOT cancel_requested))
                RETURNING 1),
            shown AS (
                UPDATE countersign.target t
                SET state = CASE
                        WHEN t.state <> 'signing' THEN t.state
                        WHEN h.cancel_requested THEN 'cancelled'
                        WHEN h.pushed_again OR b.error IS NULL THEN 'queued'
                        ELSE 'waiting' END,
                    last_error = coalesce(b.error::jsonb, t.last_error), updated_at = now()
                FROM held h JOIN back b ON b.id = h.id
                WHERE t.id = h.target_id AND t.state <> 'revoked'
                RETURNING 1)
            SELECT h.id, h.pushed_again OR b.delay = '0' AS pushed_again, h.cancel_requested AS cancelled,
                now() - h.received_at AS age
            FROM held h JOIN back b ON b.id = h.id
            """)
        return try settlements(rows, ended: nil)
    }

    /// `ended`: the state of those that are neither cancelled nor due again; `nil` for those that are put back.
    private static func settlements(_ rows: [Row], ended state: TargetState?) throws -> [Int64: Settlement] {
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

/// A job on its way back into the queue.
struct JobReturn: Sendable {
    let jobID: Int64
    let leaseToken: Int64
    let delay: Duration
    /// Attempts to take back: 1 where the cause was not the job's.
    let uncountedAttempts: Int32
    let failures: Int32
    let crashes: Int32
    let error: Failure?

    init(_ claim: Claim, error: Failure?, delay: Duration = .zero, uncountedAttempts: Int32, failures: Int32 = 0) {
        self.init(
            jobID: claim.jobID, leaseToken: claim.leaseToken, error: error, delay: delay,
            uncountedAttempts: uncountedAttempts, failures: failures, crashes: 0)
    }

    init(
        jobID: Int64, leaseToken: Int64, error: Failure?, delay: Duration, uncountedAttempts: Int32, failures: Int32,
        crashes: Int32
    ) {
        self.jobID = jobID
        self.leaseToken = leaseToken
        self.error = error
        self.delay = delay
        self.uncountedAttempts = uncountedAttempts
        self.failures = failures
        self.crashes = crashes
    }
}

extension Failure {
    func json() throws -> String { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }

    init(json: String) throws { self = try JSONDecoder().decode(Failure.self, from: Data(json.utf8)) }
}
