import FoundationEssentials
import OCI
import Postgres

extension JobQueue {
    /// Makes pushes durable: when this returns, none of them can be lost. Duplicates fold into the one target; a push of
    /// a digest that is known is looked at again by its state:
    ///
    /// | state of the target | what the push does |
    /// |---|---|
    /// | none | target and job |
    /// | queued, waiting | its job is due now |
    /// | signing | its job is told (`pushed_again`): however the attempt ends, the job is due again |
    /// | signed | stays signed; a job looks whether its attachments still stand |
    /// | refused, gone, failed, cancelled | queued again, under the present policy |
    /// | revoked | stays revoked |
    ///
    /// Whatever was asked for before, a push is signed in all formats of its rule; a batch may ask for fewer
    /// (``SignatureFormat/asked``).
    ///
    /// - Parameters:
    ///   - requests: up to 500; one transaction.
    ///   - act: what the audit log says of each, by what became of it; nil for what nobody asked for by hand.
    package func enqueue(
        _ requests: [EnqueueRequest],
        writing act: (@Sendable (EnqueueRequest, EnqueueResult.Item) -> AuditLog.Entry)? = nil
    ) async throws(QueueError) -> EnqueueResult {
        guard !requests.isEmpty else { return EnqueueResult(items: []) }
        let items = try await pool.together { session in
            let items = try Self.store(requests, in: session)
            if let act {
                for (request, item) in zip(requests, items) { try AuditLog.append(act(request, item), in: session) }
            }
            return items
        }
        if items.contains(where: { $0.verdict == .accepted || $0.verdict == .known }) { notifier.jobsAreDue() }
        return EnqueueResult(items: items)
    }

    /// Makes work of those children of an index that are no target yet, or one that was asked for in fewer formats before the
    /// index was, and leaves all others as they are: nobody pushed them.
    /// - Parameter requests: up to 500 with a digest; one transaction.
    package func enqueue(unknown requests: [EnqueueRequest], of index: Target) async throws(QueueError) {
        let isDue = try await pool.together { session in
            let unknown = try Self.unknown(among: requests, of: index, in: session)
            if !unknown.isEmpty { _ = try Self.store(unknown, in: session) }
            return !unknown.isEmpty
        }
        if isDue { notifier.jobsAreDue() }
    }

    /// A child keeps what it was asked for after its index, once an attempt at the index has handed on what that was asked for.
    private static func unknown(
        among requests: [EnqueueRequest], of index: Target, in session: Session
    ) throws -> [EnqueueRequest] {
        let known = try session.query(
            """
            SELECT a.n FROM unnest(
                \(requests.map(\.registry))::text[], \(requests.map(\.repository))::text[],
                \(requests.map { $0.digest?.description })::text[], \(requests.map(\.purpose.rawValue))::text[],
                \(requests.map { $0.formats.map(SignatureFormat.list) })::text[])
            WITH ORDINALITY AS a(registry, name, digest, purpose, formats, n)
            CROSS JOIN LATERAL (SELECT * FROM countersign.target t
                WHERE t.digest = a.digest AND t.purpose = a.purpose AND t.repository_id = (
                    SELECT r.id FROM countersign.repository r WHERE r.registry = a.registry AND r.name = a.name)
                ORDER BY t.generation DESC LIMIT 1) AS t
            WHERE \(SignatureFormat.asked) IS NULL OR \(SignatureFormat.asked) @> string_to_array(a.formats, ',')
                OR EXISTS (SELECT FROM countersign.target i WHERE i.id = \(index.id)
                    AND i.pushed_at <= t.pushed_at AND i.pushed_at <= i.verified_at)
            """
        ).map { Int(try $0.decode("n", as: Int64.self)) - 1 }
        return requests.indices.filter { !known.contains($0) }.map { requests[$0] }
    }

    /// What ``enqueue(_:)`` does, inside a transaction that does more (a resolved tag ends its job with it).
    /// - Parameter resolvedSince: see ``appendTagHistory(_:resolvedSince:in:)``.
    static func store(
        _ requests: [EnqueueRequest], resolvedSince: String? = nil, in session: Session
    ) throws -> [EnqueueResult.Item] {
        let accepted = requests.indices.compactMap { Push(requests[$0], index: $0) }
        let repositoryIDs = try repositoryIDs(of: accepted, in: session)
        let byDigest = accepted.filter { $0.digest != nil }
        let targets = byDigest.isEmpty ? [:] : try upsertTargets(byDigest, repositoryIDs, in: session)

        var items: [EnqueueResult.Item] = requests.map { request in
            switch request.verdict {
            case .accepted: .init(verdict: .accepted, targetID: nil)
            case .filtered: .init(verdict: .filtered, targetID: nil)
            case .refused: .init(verdict: .refused, targetID: nil)
            }
        }
        var met = Set<Push.Key>()
        for push in byDigest {
            guard let target = targets[push.key] else { continue }
            // of several pushes of a new digest in one batch the first made the target
            let isFirst = met.insert(push.key).inserted
            items[push.index] = .init(
                verdict: target.isNew && isFirst ? .accepted : .known, targetID: target.id,
                isRevoked: target.isRevoked)
        }
        try insertResolveJobs(requests, in: session)
        try appendTagHistory(requests, resolvedSince: resolvedSince, in: session)
        try endLettersOfTags(requests, in: session)
        try insertEvents(requests, items, in: session)
        return items
    }
}

/// An accepted request with what its statements need.
private struct Push {
    let index: Int
    let request: EnqueueRequest
    let rule: String
    let policyVersion: String
    let digest: String?

    struct Key: Hashable {
        let registry: String
        let repository: String
        let digest: String?
        let purpose: String
    }
    var key: Key {
        Key(
            registry: request.registry, repository: request.repository, digest: digest,
            purpose: request.purpose.rawValue)
    }
    var repositoryKey: RepositoryKey { RepositoryKey(registry: request.registry, name: request.repository) }

    init?(_ request: EnqueueRequest, index: Int) {
        guard case .accepted(let rule, let policyVersion) = request.verdict else { return nil }
        guard request.digest != nil || request.tag != nil else { return nil }
        self.index = index
        self.request = request
        self.rule = rule
        self.policyVersion = policyVersion
        self.digest = request.digest?.description
    }
}

private struct RepositoryKey: Hashable {
    let registry: String
    let name: String
}

private struct StoredTarget {
    let id: Int64
    let isNew: Bool
    let isRevoked: Bool
}

extension JobQueue {
    /// Ids of the repositories, adding those that are pushed to for the first time. Reading comes first, so that the
    /// identity column is not used up by conflicts.
    private static func repositoryIDs(of pushes: [Push], in session: Session) throws -> [RepositoryKey: Int32] {
        let keys = Set(pushes.map(\.repositoryKey)).sorted { ($0.registry, $0.name) < ($1.registry, $1.name) }
        var ids = try knownRepositoryIDs(keys, in: session)
        let missing = keys.filter { ids[$0] == nil }
        if !missing.isEmpty {
            _ = try session.execute(
                """
                INSERT INTO countersign.repository (registry, name)
                SELECT * FROM unnest(\(missing.map(\.registry))::text[], \(missing.map(\.name))::text[])
                ON CONFLICT (registry, name) DO NOTHING
                """)
            ids.merge(try knownRepositoryIDs(missing, in: session)) { $1 }
        }
        return ids
    }

    private static func knownRepositoryIDs(
        _ keys: [RepositoryKey], in session: Session
    ) throws -> [RepositoryKey: Int32] {
        guard !keys.isEmpty else { return [:] }
        let rows = try session.query(
            """
            SELECT r.id, r.registry, r.name
            FROM unnest(\(keys.map(\.registry))::text[], \(keys.map(\.name))::text[]) AS k(registry, name)
            JOIN countersign.repository r ON r.registry = k.registry AND r.name = k.name
            """)
        var ids: [RepositoryKey: Int32] = [:]
        for row in rows {
            ids[RepositoryKey(registry: try row.decode("registry"), name: try row.decode("name"))] =
                try row.decode("id")
        }
        return ids
    }

    private static func upsertTargets(
        _ pushes: [Push], _ repositoryIDs: [RepositoryKey: Int32], in session: Session
    ) throws -> [Push.Key: StoredTarget] {
        // The latest push of a digest in this batch speaks for it: one row per key, in key order, so that every
        // replica locks in the same order.
        var latest: [Push.Key: Push] = [:]
        for push in pushes { latest[push.key] = push }
        let folded = latest.values
            .compactMap { push in repositoryIDs[push.repositoryKey].map { (push: push, repositoryID: $0) } }
            .sorted { ($0.push.digest ?? "", $0.repositoryID) < ($1.push.digest ?? "", $1.repositoryID) }
        // only what asks for fewer formats writes these columns: whoever stores pushes alone has no right to
        let asksForFormats = folded.contains { $0.push.request.formats != nil }
        let columns: Query = asksForFormats ? ", formats, formats_as_of" : ""
        let asked: Query = asksForFormats ? ", string_to_array(formats, ','), 1" : ""
        let askedAgain: Query =
            asksForFormats
            ? """
            , formats_as_of = t.pushes + 1, formats = CASE WHEN t.state IN ('refused', 'gone', 'failed', 'cancelled')
                THEN excluded.formats ELSE \(SignatureFormat.asked(with: "excluded.formats::text[]")) END
            """ : ""
        let digests = folded.map { $0.push.digest ?? "" }
        let repositories = folded.map(\.repositoryID)
        let purposes = folded.map { $0.push.request.purpose.rawValue }

        // Every settling statement locks job before target. Taking the jobs first here keeps that order. No joins: prepared on
        // empty tables they would read all jobs for every batch. Whoever forgets a generation wants the first one to himself.
        let pushed: Query = """
            FROM unnest(\(digests)::text[], \(repositories)::int[], \(purposes)::text[]) AS p(digest, repository_id, purpose)
            """
        _ = try session.pipeline([
            """
            WITH found AS MATERIALIZED (
                SELECT j.id FROM countersign.job j WHERE j.target_id = ANY(ARRAY(
                    SELECT newest.id \(pushed)
                    CROSS JOIN LATERAL (SELECT t.id FROM countersign.target t
                        WHERE t.digest = p.digest AND t.repository_id = p.repository_id AND t.purpose = p.purpose
                        ORDER BY t.generation DESC LIMIT 1) AS newest)))
            SELECT id FROM countersign.job WHERE id = ANY(ARRAY(SELECT id FROM found)) ORDER BY id FOR NO KEY UPDATE
            """,
            """
            SELECT held.id \(pushed)
            CROSS JOIN LATERAL (SELECT t.id FROM countersign.target t
                WHERE t.digest = p.digest AND t.repository_id = p.repository_id AND t.purpose = p.purpose
                ORDER BY t.generation LIMIT 1 FOR KEY SHARE) AS held
            """,
        ])
        let rows = try session.query(
            """
            WITH pushed AS MATERIALIZED (
                -- a push is about the newest generation: that is the signature that counts
                SELECT p.*, coalesce((SELECT max(g.generation) FROM countersign.target g WHERE g.digest = p.digest
                    AND g.repository_id = p.repository_id AND g.purpose = p.purpose), 0) AS generation
                FROM unnest(
                    \(digests)::text[], \(repositories)::int[], \(purposes)::text[],
                    \(folded.map(\.push.request.mediaType))::text[], \(folded.map(\.push.request.actor))::text[], \(folded.map(\.push.rule))::text[],
                    \(folded.map(\.push.policyVersion))::text[], \(folded.map(\.push.request.lane.rawValue))::smallint[],
                    \(folded.map(\.push.request.deliveryKey))::bytea[], \(folded.map(\.push.request.depth))::smallint[],
                    \(folded.map { $0.push.request.formats.map(SignatureFormat.list) })::text[])
                WITH ORDINALITY
                AS p(digest, repository_id, purpose, media_type, actor, rule, policy_version, lane,
                    delivery_key, depth, formats, n)),
            stored AS (
                INSERT INTO countersign.target AS t (digest, repository_id, purpose, generation, media_type, rule,
                    policy_version\(columns))
                SELECT digest, repository_id, purpose, generation, media_type, rule, policy_version\(asked)
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
                RETURNING t.id, t.digest, t.repository_id, t.purpose, t.state, t.pushes),
            due AS (
                INSERT INTO countersign.job AS j (kind, target_id, repository_id, lane, actor, delivery_key, depth)
                SELECT \(JobKind.sign.rawValue)::text, s.id, s.repository_id, p.lane, p.actor, p.delivery_key, p.depth
                FROM pushed p JOIN stored s USING (digest, repository_id, purpose)
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
            SELECT s.id, s.pushes = 1 AS is_new, s.state = 'revoked' AS is_revoked, p.digest, p.purpose, p.n,
                (SELECT count(*) FROM due) + (SELECT count(*) FROM unburied) AS touched
            FROM pushed p JOIN stored s USING (digest, repository_id, purpose)
            """)
        var targets: [Push.Key: StoredTarget] = [:]
        for row in rows {
            let n: Int64 = try row.decode("n")
            targets[folded[Int(n) - 1].push.key] = StoredTarget(
                id: try row.decode("id"), isNew: try row.decode("is_new"), isRevoked: try row.decode("is_revoked"))
        }
        return targets
    }

    private static func insertEvents(
        _ requests: [EnqueueRequest], _ items: [EnqueueResult.Item], in session: Session
    ) throws {
        let events = zip(requests, items).compactMap { request, item in
            request.delivery.map { (request: request, item: item, delivery: $0) }
        }
        guard !events.isEmpty else { return }
        _ = try session.execute(
            """
            INSERT INTO countersign.event (source, delivery_key, registry, repository, digest, tag, media_type, actor,
                verdict, reason, policy_version, target_id, body)
            SELECT * FROM unnest(
                \(events.map { $0.request.source.recorded(255) })::text[], \(events.map(\.delivery.key))::bytea[],
                \(events.map { $0.request.registry.recorded(255) })::text[],
                \(events.map { $0.request.repository.recorded(255) })::text[],
                \(events.map { $0.request.digest?.description })::text[],
                \(events.map { $0.request.tag?.recorded(128) })::text[],
                \(events.map { $0.request.mediaType?.recorded(255) })::text[],
                \(events.map { $0.request.actor?.recorded(255) })::text[],
                \(events.map(\.item.verdict.rawValue))::text[],
                \(events.map { $0.request.verdict.reason?.recorded(500) })::text[],
                \(events.map(\.request.verdict.policyVersion))::text[],
                \(events.map(\.item.targetID))::bigint[], \(events.map(\.delivery.body))::bytea[])
            """)
    }
}

extension EnqueueRequest.Verdict {
    fileprivate var reason: String? {
        switch self {
        case .accepted: nil
        case .filtered(let reason), .refused(let reason): reason
        }
    }
    fileprivate var policyVersion: String? {
        if case .accepted(_, let version) = self { version } else { nil }
    }
}

extension String {
    /// What a payload claimed, cut to what a column takes.
    func recorded(_ limit: Int) -> String { Failure.printable(self, limit: limit) }
}
