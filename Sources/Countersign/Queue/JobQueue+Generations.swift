import OCI
import Postgres

/// Signing anew what is signed: a new generation of its target, and so a new row under the one rule of uniqueness.
extension JobQueue {
    /// One digest that is to have another signature.
    struct GenerationRequest: Sendable {
        let repository: Repository
        let digest: Digest
        let rule: String
        let policyVersion: String
        /// Those of the rule: what a push asks for.
        let formats: Set<SignatureFormat>
    }

    /// Why, and what becomes of the older signatures.
    struct GenerationOrder: Sendable {
        let reason: String
        let removesOlder: Bool
        /// The token's name.
        let by: String
        let batch: Int64
        /// In which formats, at least; `nil`: in all that the rule names.
        var formats: Set<SignatureFormat>?
    }

    /// What a request came to.
    enum OpenedGeneration: Sendable, Equatable {
        /// A new target, queued in the bulk lane.
        case opened(Int64)
        /// The newest generation is on its way to a signature already: no other is opened. It is signed in what either asked for.
        case joined(Int64)
        /// The newest generation ended without a signature: it is the one to try again, as by a push.
        case ended
        case revoked(Int64)
        /// No push of it was ever seen.
        case unknown
    }

    /// Opens the next generation of each signed digest. A look again at the older one that waits is dropped; one that runs
    /// finds that it is not the newest any more, and ends. A push may wait for either: formats that were asked for and are not
    /// served yet are made by the new generation, whose job has the lane and the name of the older one's, so that the batch does
    /// not take them back.
    /// - Parameter requests: distinct digests in a repository.
    /// - Returns: in the order of the requests.
    static func openGenerations(
        _ requests: [GenerationRequest], _ order: GenerationOrder, in session: Session
    ) throws -> [OpenedGeneration] {
        guard !requests.isEmpty else { return [] }
        let registries = requests.map(\.repository.registry)
        let names = requests.map(\.repository.name)
        let digests = requests.map(\.digest.description)
        let formats = order.formats.map { $0.map(\.rawValue).sorted() }
        let generations: Query = """
            FROM unnest(\(registries)::text[], \(names)::text[], \(digests)::text[]) AS a(registry, name, digest)
            JOIN countersign.repository r ON r.registry = a.registry AND r.name = a.name
            CROSS JOIN LATERAL (
                SELECT id FROM countersign.target
                WHERE digest = a.digest AND repository_id = r.id AND purpose = \(Purpose.signature.rawValue)::text
            """
        let newest: Query = "\(generations) ORDER BY generation DESC LIMIT 1) AS t"
        let first: Query = "\(generations) ORDER BY generation LIMIT 1) AS t"
        // jobs before targets, both in the order of a push, before the snapshot that decides
        _ = try session.query(
            """
            SELECT id FROM countersign.job WHERE target_id = ANY(ARRAY(SELECT t.id \(newest)))
            ORDER BY id FOR UPDATE
            """)
        _ = try session.query(
            """
            SELECT id FROM countersign.target WHERE id = ANY(ARRAY(SELECT t.id \(first)))
            ORDER BY digest, repository_id FOR KEY SHARE
            """)
        _ = try session.query(
            """
            SELECT id FROM countersign.target WHERE id = ANY(ARRAY(SELECT t.id \(newest)))
            ORDER BY digest, repository_id FOR NO KEY UPDATE
            """)
        let rows = try session.query(
            """
            WITH asked AS MATERIALIZED (
                SELECT * FROM unnest(\(registries)::text[], \(names)::text[], \(digests)::text[],
                    \(requests.map(\.rule))::text[], \(requests.map(\.policyVersion))::text[],
                    \(requests.map { SignatureFormat.list($0.formats) })::text[])
                WITH ORDINALITY AS a(registry, name, digest, rule, policy_version, formats, n)),
            newest AS MATERIALIZED (
                SELECT a.n, a.rule, a.policy_version, t.id, t.digest, t.repository_id, t.generation, t.state, t.media_type,
                    ARRAY(SELECT f FROM unnest(coalesce(\(SignatureFormat.asked), string_to_array(a.formats, ','))) AS f
                        WHERE f <> ALL(\(SignatureFormat.served))) AS unserved
                FROM asked a JOIN countersign.repository r ON r.registry = a.registry AND r.name = a.name
                CROSS JOIN LATERAL (
                    SELECT * FROM countersign.target
                    WHERE digest = a.digest AND repository_id = r.id AND purpose = \(Purpose.signature.rawValue)::text
                    ORDER BY generation DESC LIMIT 1) AS t),
            opened AS (
                INSERT INTO countersign.target (digest, repository_id, purpose, generation, media_type, rule, policy_version,
                    formats, formats_as_of)
                SELECT digest, repository_id, \(Purpose.signature.rawValue)::text, generation + 1, media_type, rule,
                    policy_version, CASE WHEN \(formats)::text[] IS NOT NULL
                        THEN ARRAY(SELECT DISTINCT f FROM unnest(\(formats)::text[] || unserved) AS f ORDER BY f) END, 1
                FROM newest WHERE state = 'signed' ORDER BY digest, repository_id
                RETURNING id, digest, repository_id),
            widened AS (
                UPDATE countersign.target t
                SET formats = \(SignatureFormat.asked(with: "\(formats)::text[]")), formats_as_of = t.pushes
                WHERE t.id = ANY(ARRAY(SELECT id FROM newest WHERE state IN ('queued', 'signing', 'waiting')))
                    AND (\(SignatureFormat.asked) @> \(formats)::text[]) IS NOT true AND \(SignatureFormat.asked) IS NOT NULL
                RETURNING t.id),
            told AS (
                UPDATE countersign.job SET pushed_again = true
                WHERE leased AND target_id = ANY(ARRAY(SELECT id FROM widened)) RETURNING 1),
            explained AS (
                INSERT INTO countersign.target_generation (target_id, reason, removes_older, token_name, batch_id)
                SELECT id, \(order.reason)::text, \(order.removesOlder), \(order.by)::text, \(order.batch) FROM opened
                RETURNING 1),
            dropped AS (
                DELETE FROM countersign.job
                WHERE NOT leased AND target_id = ANY(ARRAY(SELECT id FROM newest WHERE state = 'signed')) RETURNING 1),
            due AS (
                INSERT INTO countersign.job (kind, target_id, repository_id, lane, delivery_key)
                SELECT \(JobKind.sign.rawValue)::text, o.id, o.repository_id, least(j.lane, \(Lane.bulk.rawValue)::smallint),
                    coalesce(j.delivery_key, \(Batch.deliveryKey(order.batch)))
                FROM opened o JOIN newest n USING (digest, repository_id)
                LEFT JOIN LATERAL (SELECT lane, delivery_key FROM countersign.job
                    WHERE target_id = n.id AND cardinality(n.unserved) > 0 LIMIT 1) AS j ON true
                ORDER BY o.id RETURNING 1)
            SELECT n.n, n.state, n.id, o.id AS opened, (SELECT count(*) FROM explained) + (SELECT count(*) FROM dropped)
                + (SELECT count(*) FROM due) + (SELECT count(*) FROM told) AS touched
            FROM newest n LEFT JOIN opened o ON o.digest = n.digest AND o.repository_id = n.repository_id
            """)
        var found = [OpenedGeneration](repeating: .unknown, count: requests.count)
        var superseded: [Int64] = []
        for row in rows {
            let id: Int64 = try row.decode("id")
            let state = TargetState(rawValue: try row.decode("state"))
            let opened: Int64? = try row.decode("opened")
            if opened != nil { superseded.append(id) }
            found[Int(try row.decode("n", as: Int64.self)) - 1] =
                switch (state, opened) {
                case (_, let opened?): .opened(opened)
                case (.queued, _), (.signing, _), (.waiting, _): .joined(id)
                case (.revoked, _): .revoked(id)
                default: .ended
                }
        }
        try SignatureAlarm.end(about: superseded, in: session)
        return found
    }

    /// Forgets generations that were cancelled before anything was signed for them: the one before is the newest again, and its
    /// signature is what the status shows. The members of batches that asked for one are told that it was cancelled.
    /// - Parameter targets: whose jobs were just dropped, in this transaction.
    static func forgetGenerations(of targets: [Int64], in session: Session) throws {
        guard !targets.isEmpty else { return }
        try holdGenerations(of: targets, in: session)
        let unused = try session.query(
            """
            SELECT t.id FROM countersign.target t JOIN countersign.target_generation g ON g.target_id = t.id
            WHERE t.id = ANY(\(targets)::bigint[]) AND t.state = 'cancelled'
                AND NOT EXISTS (SELECT FROM countersign.evidence_target e WHERE e.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.dead_letter d WHERE d.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.target n WHERE n.digest = t.digest
                    AND n.repository_id = t.repository_id AND n.purpose = t.purpose AND n.generation > t.generation)
            """
        ).map { try $0.decode("id", as: Int64.self) }
        guard !unused.isEmpty else { return }
        _ = try session.execute(
            """
            UPDATE countersign.batch_member
            SET target_id = NULL, is_new = false, result = coalesce(result, 'cancelled'), ended_at = coalesce(ended_at, now())
            WHERE target_id = ANY(\(unused)::bigint[])
            """)
        _ = try session.execute("DELETE FROM countersign.target_generation WHERE target_id = ANY(\(unused)::bigint[])")
        _ = try session.execute("DELETE FROM countersign.target WHERE id = ANY(\(unused)::bigint[])")
    }

    /// Holds the first generation of targets that are to be forgotten, before it is read whether they are wanted. Whoever
    /// pushes or opens generations holds it as well, and then chooses the newest: one that is deleted after that choice would
    /// be made anew, and nobody is on record as having asked for it.
    static func holdGenerations(of targets: [Int64], in session: Session) throws {
        _ = try session.query(
            """
            SELECT id FROM countersign.target WHERE id = ANY(ARRAY(
                SELECT first.id FROM countersign.target t
                CROSS JOIN LATERAL (
                    SELECT f.id FROM countersign.target f
                    WHERE f.digest = t.digest AND f.repository_id = t.repository_id AND f.purpose = t.purpose
                    ORDER BY f.generation LIMIT 1) AS first
                WHERE t.id = ANY(\(targets)::bigint[]) AND t.generation > 0))
            ORDER BY digest, repository_id FOR UPDATE
            """)
    }
}
