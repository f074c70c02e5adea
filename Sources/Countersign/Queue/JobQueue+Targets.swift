import Postgres

/// The pushes of one digest in a repository, folded into the latest of them, which speaks for it.
private struct FoldedPush {
    let push: AcceptedPush
    let repositoryID: Int32
    var request: EnqueueRequest { push.request }
}

/// What became of them.
struct StoredTarget: Sendable {
    let id: Int64
    let isNew: Bool
    let isRevoked: Bool
}

/// The targets of pushes that name a digest, and the jobs that sign them.
extension JobQueue {
    static func upsertTargets(
        _ pushes: [AcceptedPush], _ repositoryIDs: [AcceptedPush.RepositoryKey: Int32], in session: Session
    ) throws -> [AcceptedPush.Key: StoredTarget] {
        // One row per key, in key order, so that every replica locks in the same order.
        var latest: [AcceptedPush.Key: AcceptedPush] = [:]
        for push in pushes { latest[push.key] = push }
        let folded = latest.values
            .compactMap { push in repositoryIDs[push.repository].map { FoldedPush(push: push, repositoryID: $0) } }
            .sorted { ($0.push.digest ?? "", $0.repositoryID) < ($1.push.digest ?? "", $1.repositoryID) }
        try holdWork(of: folded, in: session)
        var targets: [AcceptedPush.Key: StoredTarget] = [:]
        for row in try session.query(upsert(folded)) {
            let n: Int64 = try row.decode("n")
            targets[folded[Int(n) - 1].push.key] = StoredTarget(
                id: try row.decode("id"), isNew: try row.decode("is_new"), isRevoked: try row.decode("is_revoked"))
        }
        return targets
    }

    /// Every settling statement locks job before target. Taking the jobs first here keeps that order. No joins: prepared on
    /// empty tables they would read all jobs for every batch. Whoever forgets a generation wants the first one to himself.
    private static func holdWork(of folded: [FoldedPush], in session: Session) throws {
        let pushed: Query = """
            FROM unnest(\(folded.map { $0.push.digest ?? "" })::text[], \(folded.map(\.repositoryID))::int[])
                AS p(digest, repository_id)
            """
        let generations: Query = """
            SELECT t.id FROM countersign.target t
            WHERE t.digest = p.digest AND t.repository_id = p.repository_id
                AND t.purpose = \(Purpose.signature.rawValue)::text
            """
        _ = try session.pipeline([
            """
            WITH found AS MATERIALIZED (
                SELECT j.id FROM countersign.job j WHERE j.target_id = ANY(ARRAY(
                    SELECT newest.id \(pushed)
                    CROSS JOIN LATERAL (\(generations) ORDER BY t.generation DESC LIMIT 1) AS newest)))
            SELECT id FROM countersign.job WHERE id = ANY(ARRAY(SELECT id FROM found)) ORDER BY id FOR NO KEY UPDATE
            """,
            """
            SELECT held.id \(pushed)
            CROSS JOIN LATERAL (\(generations) ORDER BY t.generation LIMIT 1 FOR KEY SHARE) AS held
            """,
        ])
    }

    private static func upsert(_ folded: [FoldedPush]) -> Query {
        // only what asks for fewer formats writes these columns: whoever stores pushes alone has no right to
        let asksForFormats = folded.contains { $0.request.formats != nil }
        let columns: Query = asksForFormats ? ", formats, formats_as_of" : ""
        let asked: Query = asksForFormats ? ", string_to_array(formats, ','), 1" : ""
        let askedAgain: Query =
            asksForFormats
            ? """
            , formats_as_of = t.pushes + 1, formats = CASE WHEN t.state IN ('refused', 'gone', 'failed', 'cancelled')
                THEN excluded.formats ELSE \(SignatureFormat.asked(with: "excluded.formats::text[]")) END
            """ : ""
        return """
            WITH pushed AS MATERIALIZED (
                -- a push is about the newest generation: that is the signature that counts
                SELECT p.*, coalesce((SELECT max(g.generation) FROM countersign.target g WHERE g.digest = p.digest
                    AND g.repository_id = p.repository_id AND g.purpose = \(Purpose.signature.rawValue)::text), 0)
                    AS generation
                FROM unnest(
                    \(folded.map { $0.push.digest ?? "" })::text[], \(folded.map(\.repositoryID))::int[],
                    \(folded.map(\.request.mediaType))::text[], \(folded.map(\.request.actor))::text[],
                    \(folded.map(\.push.rule))::text[], \(folded.map(\.push.policyVersion))::text[],
                    \(folded.map(\.request.lane.rawValue))::smallint[], \(folded.map(\.request.deliveryKey))::bytea[],
                    \(folded.map(\.request.depth))::smallint[],
                    \(folded.map { $0.request.formats.map(SignatureFormat.list) })::text[])
                WITH ORDINALITY
                AS p(digest, repository_id, media_type, actor, rule, policy_version, lane,
                    delivery_key, depth, formats, n)),
            stored AS (
                INSERT INTO countersign.target AS t (digest, repository_id, purpose, generation, media_type, rule,
                    policy_version\(columns))
                SELECT digest, repository_id, \(Purpose.signature.rawValue)::text, generation, media_type, rule,
                    policy_version\(asked)
                FROM pushed ORDER BY n
                ON CONFLICT (digest, repository_id, purpose, generation) DO UPDATE SET
                    state = CASE WHEN t.state IN ('waiting', 'refused', 'gone', 'failed', 'cancelled')
                        THEN 'queued' ELSE t.state END,
                    last_error = CASE WHEN t.state IN ('refused', 'gone', 'failed', 'cancelled')
                        THEN NULL ELSE t.last_error END,
                    media_type = coalesce(excluded.media_type, t.media_type),
                    rule = CASE WHEN t.state = 'signed' THEN t.rule ELSE excluded.rule END,
                    policy_version = CASE WHEN t.state = 'signed' THEN t.policy_version ELSE excluded.policy_version END,
                    pushes = t.pushes + 1, pushed_at = now(), updated_at = now()\(askedAgain)
                RETURNING t.id, t.digest, t.repository_id, t.state, t.pushes),
            due AS (
                INSERT INTO countersign.job AS j (kind, target_id, repository_id, lane, actor, delivery_key, depth)
                SELECT \(JobKind.sign.rawValue)::text, s.id, s.repository_id, p.lane, p.actor, p.delivery_key, p.depth
                FROM pushed p JOIN stored s USING (digest, repository_id)
                WHERE s.state <> 'revoked' ORDER BY s.id
                ON CONFLICT (target_id) DO UPDATE SET
                    pushed_again = j.leased,
                    run_at = CASE WHEN j.leased THEN j.run_at ELSE least(j.run_at, now()) END,
                    lane = least(j.lane, excluded.lane), depth = least(j.depth, excluded.depth),
                    -- a batch takes no job over that somebody else wants: cancelled, it would take that back
                    delivery_key = CASE WHEN j.delivery_key LIKE \(Batch.deliveryKeys) THEN excluded.delivery_key
                        WHEN excluded.delivery_key LIKE \(Batch.deliveryKeys) THEN j.delivery_key
                        ELSE coalesce(excluded.delivery_key, j.delivery_key) END,
                    cancel_requested = false
                RETURNING 1),
            unburied AS (
                DELETE FROM countersign.dead_letter
                WHERE target_id = ANY(ARRAY(SELECT id FROM stored WHERE pushes > 1)) RETURNING 1)
            SELECT s.id, s.pushes = 1 AS is_new, s.state = 'revoked' AS is_revoked, p.n,
                (SELECT count(*) FROM due) + (SELECT count(*) FROM unburied) AS touched
            FROM pushed p JOIN stored s USING (digest, repository_id)
            """
    }
}
