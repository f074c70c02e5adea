import FoundationEssentials
import Postgres

extension JobQueue {
    /// Stops work on targets: what waits is cancelled now, what runs is told and ends at its next step. A target that is
    /// signed stays so; only its re-check goes.
    /// - Returns: how many jobs that concerned.
    package func cancel(targets ids: [Int64]) async throws(QueueError) -> Int {
        try await pool.together { session in
            // first the locks, then a snapshot that knows what they protect
            _ = try session.query(
                "SELECT id FROM countersign.job WHERE target_id = ANY(\(ids)::bigint[]) ORDER BY id FOR UPDATE")
            let rows = try session.query(
                """
                WITH found AS MATERIALIZED (
                    SELECT id, target_id, leased FROM countersign.job
                    WHERE target_id = ANY(\(ids)::bigint[]) ORDER BY id FOR UPDATE),
                told AS (
                    UPDATE countersign.job SET cancel_requested = true, pushed_again = false
                    WHERE id = ANY(ARRAY(SELECT id FROM found WHERE leased)) RETURNING 1),
                dropped AS (
                    DELETE FROM countersign.job
                    WHERE id = ANY(ARRAY(SELECT id FROM found WHERE NOT leased)) RETURNING target_id),
                shown AS (
                    UPDATE countersign.target SET state = 'cancelled', updated_at = now()
                    WHERE id = ANY(ARRAY(SELECT target_id FROM dropped)) AND state IN ('queued', 'waiting') RETURNING 1)
                SELECT count(*) AS jobs FROM found
                """)
            return Int(try rows.first?.decode("jobs", as: Int64.self) ?? 0)
        }
    }

    /// Takes dead letters up again, as new jobs at their first attempt.
    /// - Returns: how many.
    package func redrive(jobs ids: [Int64], lane: Lane = .default) async throws(QueueError) -> Int {
        let redriven = try await pool.together { session in
            try session.query(
                """
                WITH raised AS MATERIALIZED (
                    DELETE FROM countersign.dead_letter WHERE job_id = ANY(\(ids)::bigint[]) RETURNING *),
                shown AS (
                    UPDATE countersign.target SET state = 'queued', last_error = NULL, updated_at = now()
                    WHERE id = ANY(ARRAY(SELECT target_id FROM raised)) AND state = 'failed' RETURNING 1)
                INSERT INTO countersign.job (kind, target_id, repository_id, registry, tag, delivery_key, lane)
                SELECT d.kind, d.target_id, d.repository_id, r.registry, d.tag, d.delivery_key, \(lane.rawValue)::smallint
                FROM raised d JOIN countersign.repository r ON r.id = d.repository_id
                ON CONFLICT (target_id) DO NOTHING
                RETURNING id
                """
            ).count
        }
        if redriven > 0 { notifier.jobsAreDue() }
        return redriven
    }
}
