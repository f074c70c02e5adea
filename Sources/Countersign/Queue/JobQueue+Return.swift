import Postgres

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

extension JobQueue {
    /// Where the counters of a job stand still: beyond it the table takes none.
    static let counterLimit: Int32 = 1_000_000_000

    /// Returns jobs to the queue: retried, released or rescued. One whose cancelling was asked for ends here.
    /// - Returns: how each that was still held went; `.ended(.cancelled, …)`, `.requeued` (due now) or `.postponed`.
    static func putBack(_ returns: [JobReturn], in session: Session) throws -> [Int64: Settlement] {
        guard !returns.isEmpty else { return [:] }
        let jobs = returns.sorted { $0.jobID < $1.jobID }
        let rows = try locking(
            jobs.map(\.jobID),
            then: """
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
                        cancel_requested = false,
                        -- an attempt that ended while it ran alone is proof of innocence
                        crash_count = least(CASE WHEN j.alone AND b.crashes = 0 THEN 0 ELSE j.crash_count END + b.crashes,
                            \(counterLimit)),
                        attempt = greatest(j.attempt - b.uncounted, 0),
                        failures = least(j.failures + b.failures, \(counterLimit)),
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
                SELECT h.id, h.target_id, h.pushed_again OR b.delay = '0' AS pushed_again, h.cancel_requested AS cancelled,
                    now() - h.received_at AS age
                FROM held h JOIN back b ON b.id = h.id
                """, in: session)
        try forgetCancelled(rows, in: session)
        return try settlements(rows, ended: nil)
    }
}
