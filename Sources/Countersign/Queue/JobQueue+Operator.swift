import FoundationEssentials
import Postgres

/// What an operator may do to work by hand.
extension JobQueue {
    package enum Cancellation: String, Sendable {
        /// It waited, and is gone.
        case cancelled
        /// It runs: its worker hears of it with the next heartbeat and ends it at the next step.
        case cancelling
    }

    /// Stops a job. A target that is signed stays so; only its re-check goes. A push takes the cancellation back. A digest
    /// whose withdrawal is stopped stays revoked, and nothing is asked of the registry any more. A generation of which nothing
    /// exists yet never was.
    /// - Parameters:
    ///   - kind: as it was found: what has become another one since is left alone.
    ///   - act: who does it, written down with it.
    /// - Returns: `nil` when there is no such job (any more).
    package func cancel(
        job id: Int64, of kind: JobKind? = nil, _ act: AuditLog.Entry? = nil
    ) async throws(QueueError) -> Cancellation? {
        try await pool.together { session in
            // first the lock, then a snapshot that knows what it protects
            try Self.lock([id], in: session)
            let rows = try session.query(
                """
                WITH found AS MATERIALIZED (
                    SELECT id, target_id, leased, kind FROM countersign.job
                    WHERE id = \(id) AND kind = coalesce(\(kind?.rawValue)::text, kind)),
                told AS (
                    UPDATE countersign.job SET cancel_requested = true, pushed_again = false
                    WHERE id = ANY(ARRAY(SELECT id FROM found WHERE leased)) RETURNING 1),
                dropped AS (
                    DELETE FROM countersign.job
                    WHERE id = ANY(ARRAY(SELECT id FROM found WHERE NOT leased)) RETURNING target_id),
                shown AS (
                    UPDATE countersign.target SET state = 'cancelled', updated_at = now()
                    WHERE id = ANY(ARRAY(SELECT target_id FROM dropped)) AND state IN ('queued', 'waiting') RETURNING 1)
                SELECT leased, target_id, kind FROM found
                """)
            guard let row = rows.first else { return nil }
            let done: Cancellation = try row.decode("leased") ? .cancelling : .cancelled
            let target: Int64? = try row.decode("target_id")
            try JobKind.known[JobKind(rawValue: try row.decode("kind"))]?.cancelled(target, in: session)
            if done == .cancelled, let target { try Self.forgetGenerations(of: [target], in: session) }
            try Self.write(act, "job \(id): \(done.rawValue)", in: session)
            return done
        }
    }

    package enum Retry: String, Sendable {
        /// It is due now.
        case queued
        /// It runs already.
        case signing
    }

    /// Makes a job that waits due at once, at the attempt where it stands.
    /// - Returns: `nil` when there is no such job (any more).
    package func retry(job id: Int64, _ act: AuditLog.Entry? = nil) async throws(QueueError) -> Retry? {
        let retry = try await pool.together { session in
            try Self.lock([id], in: session)
            let rows = try session.query(
                """
                WITH found AS MATERIALIZED (SELECT id, leased FROM countersign.job WHERE id = \(id)),
                due AS (
                    UPDATE countersign.job SET run_at = now()
                    WHERE id = ANY(ARRAY(SELECT id FROM found WHERE NOT leased)) AND run_at > now() RETURNING target_id),
                shown AS (
                    UPDATE countersign.target SET state = 'queued', updated_at = now()
                    WHERE id = ANY(ARRAY(SELECT target_id FROM due)) AND state = 'waiting' RETURNING 1)
                SELECT leased FROM found
                """)
            let done = try rows.first.map { try $0.decode("leased", as: Bool.self) ? Retry.signing : .queued }
            if let done { try Self.write(act, "job \(id): \(done.rawValue)", in: session) }
            return done
        }
        if retry == .queued { notifier.jobsAreDue() }
        return retry
    }

    /// Takes dead letters up again, as new jobs at their first attempt.
    /// - Parameter ids: of the jobs that were given up; what is no dead letter (any more) is left out.
    /// - Returns: the ids of the new jobs.
    package func redrive(jobs ids: [Int64], _ act: AuditLog.Entry? = nil) async throws(QueueError) -> [Int64] {
        let redriven = try await pool.together { session in try Self.redrive(ids, act, in: session) }
        if !redriven.isEmpty { notifier.jobsAreDue() }
        return redriven
    }

    /// The same for those that were buried first.
    /// - Parameter limit: of one call, so that a long outage's letters do not come back in one transaction.
    package func redriveOldest(limit: Int, _ act: AuditLog.Entry? = nil) async throws(QueueError) -> [Int64] {
        let redriven = try await pool.together { session in
            let oldest = try session.query(
                "SELECT job_id FROM countersign.dead_letter ORDER BY buried_at, job_id LIMIT \(limit)::int")
            return try Self.redrive(try oldest.map { try $0.decode("job_id") }, act, in: session)
        }
        if !redriven.isEmpty { notifier.jobsAreDue() }
        return redriven
    }

    /// Writes down who did it, last in the transaction that does it.
    private static func write(_ act: AuditLog.Entry?, _ detail: String, in session: Session) throws {
        guard var act else { return }
        act.detail = detail
        try AuditLog.append(act, in: session)
    }

    private static func redrive(_ ids: [Int64], _ act: AuditLog.Entry?, in session: Session) throws -> [Int64] {
        // targets before letters, in the order of a push, which may be taking the same ones up
        _ = try session.query(
            """
            SELECT id FROM countersign.target
            WHERE id = ANY(ARRAY(
                SELECT target_id FROM countersign.dead_letter WHERE job_id = ANY(\(ids)::bigint[]) AND target_id IS NOT NULL))
            ORDER BY digest, repository_id FOR NO KEY UPDATE
            """)
        _ = try session.query(
            """
            SELECT job_id FROM countersign.dead_letter WHERE job_id = ANY(\(ids)::bigint[])
            ORDER BY job_id FOR UPDATE
            """)
        let jobs: [Int64] = try session.query(
            """
            WITH raised AS MATERIALIZED (
                DELETE FROM countersign.dead_letter WHERE job_id = ANY(\(ids)::bigint[]) RETURNING *),
            shown AS (
                UPDATE countersign.target t
                SET state = CASE WHEN t.state = 'revoked' THEN t.state ELSE 'queued' END,
                    last_error = CASE WHEN t.state = 'revoked' THEN t.last_error END, updated_at = now()
                FROM raised d
                WHERE t.id = d.target_id
                    AND (t.state = 'failed' OR (t.state = 'revoked' AND d.kind = ANY(\(JobKind.workingOnRevoked)::text[])))
                RETURNING t.id)
            INSERT INTO countersign.job (kind, target_id, repository_id, tag, delivery_key, lane)
            SELECT kind, target_id, repository_id, tag, delivery_key, \(Lane.default.rawValue)::smallint
            FROM raised
            WHERE target_id IS NULL OR target_id = ANY(ARRAY(SELECT id FROM shown))
            ORDER BY job_id
            RETURNING id
            """
        ).map { try $0.decode("id") }
        if !jobs.isEmpty {
            let letters = ids.map(String.init).joined(separator: ", ")
            try write(act, "\(jobs.count) taken up as jobs from \(jobs[0]) on: \(letters)", in: session)
        }
        return jobs
    }
}
