import Postgres

/// Members of cancelled batches on their way back out of the queue.
extension BatchFeeder {
    /// Takes back what a cancelled batch had put into the queue and nobody else wants: jobs that wait in the bulk lane,
    /// under the name of a cancelled batch (a push would have put its own there, and what was there before the batch has one
    /// or none), of targets of which nothing was signed yet, or all that was is published. What a worker holds, what is prepared
    /// for a log already, and what is being put back, ends by itself.
    ///
    /// The batch's row is held, and its state read under that lock: one that was resumed since it was looked at keeps all
    /// that it has in the queue.
    /// - Returns: how many members were taken back.
    func takeBack(from batch: Batch) async throws(QueueError) -> Int {
        try await pool.together { session in
            let locked = try session.query(
                """
                SELECT id FROM countersign.batch WHERE id = \(batch.id) AND state = 'cancelled'
                FOR UPDATE SKIP LOCKED
                """)
            guard !locked.isEmpty else { return 0 }
            let pending = try session.execute(
                """
                UPDATE countersign.batch_member SET result = 'cancelled', ended_at = now()
                WHERE batch_id = \(batch.id) AND target_id IS NULL AND result IS NULL
                """)
            let cancelled = [batch.id] + (try Self.lockAllies(of: batch, session))
            let jobs = try Self.waitingJobs(of: batch, cancelled, session)
            if !jobs.isEmpty {
                _ = try session.execute(
                    """
                    WITH dropped AS (
                        DELETE FROM countersign.job WHERE id = ANY(\(jobs)::bigint[]) RETURNING target_id),
                    told AS (
                        UPDATE countersign.batch_member m
                        SET result = CASE WHEN t.state <> 'signed' OR \(SignatureFormat.lacks("(b.formats)")) THEN 'cancelled'
                                ELSE 'signed' END, ended_at = now()
                        FROM countersign.target t, countersign.batch b
                        WHERE m.batch_id = ANY(\(cancelled)::bigint[]) AND m.result IS NULL AND t.id = m.target_id
                            AND b.id = m.batch_id
                            AND m.target_id = ANY(ARRAY(SELECT target_id FROM dropped))
                        RETURNING 1),
                    -- what was asked for beside a signature, and not begun: a re-check would make it
                    unasked AS (
                        UPDATE countersign.target t
                        SET formats = ARRAY(SELECT f FROM unnest(t.formats) AS f WHERE f = ANY(\(SignatureFormat.begun))),
                            updated_at = now()
                        WHERE t.id = ANY(ARRAY(SELECT target_id FROM dropped)) AND t.state = 'signed'
                            AND \(SignatureFormat.asked) && \(SignatureFormat.begun)
                        RETURNING 1)
                    UPDATE countersign.target SET state = 'cancelled', updated_at = now()
                    WHERE id = ANY(ARRAY(SELECT target_id FROM dropped)) AND state IN ('queued', 'waiting')
                        AND (SELECT count(*) FROM told) + (SELECT count(*) FROM unasked) >= 0
                    """)
            }
            // a generation of which nothing exists never was: the one before is the newest again
            try Self.forgetGenerations(of: batch, cancelled, session)
            return jobs.isEmpty ? min(pending, Self.stepLimit - 1) : jobs.count
        }
    }

    /// Other cancelled batches that want some of the same targets: what only cancelled ones want nobody wants. Their rows are
    /// held as well, so that none of them is resumed meanwhile; one that is not to be had counts as running.
    private static func lockAllies(of batch: Batch, _ session: Session) throws -> [Int64] {
        let others = try session.query(
            """
            SELECT DISTINCT other.batch_id FROM countersign.batch_member m
            JOIN countersign.batch_member other ON other.target_id = m.target_id AND other.batch_id <> m.batch_id
            WHERE m.batch_id = \(batch.id) AND m.target_id IS NOT NULL AND (m.result IS NULL OR m.result = 'cancelled')
            """
        ).map { try $0.decode("batch_id", as: Int64.self) }
        guard !others.isEmpty else { return [] }
        return try session.query(
            """
            SELECT id FROM countersign.batch WHERE id = ANY(\(others)::bigint[]) AND state = 'cancelled'
            ORDER BY id FOR UPDATE SKIP LOCKED
            """
        ).map { try $0.decode("id") }
    }

    /// Jobs that wait for members of a batch, and for those of other cancelled ones at most, locked.
    private static func waitingJobs(
        of batch: Batch, _ cancelled: [Int64], _ session: Session
    ) throws -> [Int64] {
        try session.query(
            """
            SELECT j.id FROM countersign.job j
            WHERE j.target_id = ANY(ARRAY(
                    SELECT target_id FROM countersign.batch_member
                    WHERE batch_id = \(batch.id) AND target_id IS NOT NULL AND result IS NULL))
                AND NOT j.leased AND j.kind = \(JobKind.sign.rawValue)::text
                AND j.lane = \(Lane.bulk.rawValue)::smallint
                AND EXISTS (SELECT FROM unnest(\(cancelled)::bigint[], \(cancelled.map(Batch.deliveryKey))::bytea[])
                        AS c(id, delivery_key)
                    JOIN countersign.batch_member own ON own.batch_id = c.id AND own.target_id = j.target_id
                        AND own.result IS NULL
                    WHERE c.delivery_key = j.delivery_key)
                AND NOT EXISTS (SELECT FROM countersign.batch_member other
                    WHERE other.target_id = j.target_id AND other.batch_id <> ALL(\(cancelled)::bigint[])
                        AND other.result IS NULL)
                -- what was begun must end: a re-check looks after `signed` alone. What was settled before and is not missed was not
                -- begun for the batch, also where its image was `gone` or had `failed` since
                AND NOT EXISTS (SELECT FROM countersign.evidence_target e
                    WHERE e.target_id = j.target_id AND e.live AND NOT EXISTS (SELECT FROM countersign.attachment a
                        WHERE a.evidence_id = e.evidence_id AND a.target_id = e.target_id AND a.verified_at >= a.pushed_at
                            AND a.missing_at IS NULL AND a.removed_at IS NULL))
            ORDER BY j.id LIMIT \(Int64(Self.stepLimit)) FOR UPDATE OF j SKIP LOCKED
            """
        ).map { try $0.decode("id") }
    }

    /// Generations that cancelled batches opened or joined, and that were cancelled before anything was signed for them.
    static func forgetGenerations(of batch: Batch, _ cancelled: [Int64], _ session: Session) throws {
        guard case .resign = batch.action else { return }
        let candidates = try unusedGenerations(of: batch, cancelled, session)
        guard !candidates.isEmpty else { return }
        try JobQueue.holdGenerations(of: candidates, in: session)
        // a push may have taken one up
        let unused = try unusedGenerations(of: batch, cancelled, session).filter(Set(candidates).contains)
        _ = try session.execute(
            """
            UPDATE countersign.batch_member SET target_id = NULL, is_new = false
            WHERE target_id = ANY(\(unused)::bigint[])
            """)
        _ = try session.execute("DELETE FROM countersign.target_generation WHERE target_id = ANY(\(unused)::bigint[])")
        _ = try session.execute("DELETE FROM countersign.target WHERE id = ANY(\(unused)::bigint[])")
    }

    private static func unusedGenerations(
        of batch: Batch, _ cancelled: [Int64], _ session: Session
    ) throws -> [Int64] {
        try session.query(
            """
            SELECT DISTINCT g.target_id FROM countersign.batch_member m
            JOIN countersign.target_generation g ON g.target_id = m.target_id
            JOIN countersign.target t ON t.id = g.target_id
            WHERE m.batch_id = \(batch.id) AND m.result = 'cancelled' AND t.state = 'cancelled'
                AND g.batch_id = ANY(\(cancelled)::bigint[])
                AND NOT EXISTS (SELECT FROM countersign.evidence_target e WHERE e.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.batch_member other
                    WHERE other.target_id = t.id AND (other.batch_id <> ALL(\(cancelled)::bigint[])
                        OR other.result IS DISTINCT FROM 'cancelled'))
            ORDER BY g.target_id
            """
        ).map { try $0.decode("target_id") }
    }
}
