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
                \(requests.map { $0.digest?.description })::text[],
                \(requests.map { $0.formats.map(SignatureFormat.list) })::text[])
            WITH ORDINALITY AS a(registry, name, digest, formats, n)
            CROSS JOIN LATERAL (SELECT * FROM countersign.target t
                WHERE t.digest = a.digest AND t.purpose = \(Purpose.signature.rawValue)::text AND t.repository_id = (
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
        let accepted = requests.indices.compactMap { AcceptedPush(requests[$0], index: $0) }
        let repositoryIDs = try repositoryIDs(of: accepted, in: session)
        let byDigest = accepted.filter { $0.digest != nil }
        let targets = byDigest.isEmpty ? [:] : try upsertTargets(byDigest, repositoryIDs, in: session)

        var items: [EnqueueResult.Item] = requests.map { request in
            switch request.verdict {
            case .accepted: .init(verdict: .accepted, targetID: nil)
            case .refused: .init(verdict: .refused, targetID: nil)
            }
        }
        var met = Set<AcceptedPush.Key>()
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
