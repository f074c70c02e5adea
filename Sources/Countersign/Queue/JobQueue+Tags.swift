import OCI
import Postgres

/// Tags, as far as pushes tell of them: the ledger of what each was pushed at, and the jobs that ask where it points.
extension JobQueue {
    /// A tag may have moved between two events: these are never folded.
    static func insertResolveJobs(_ requests: [EnqueueRequest], in session: Session) throws {
        let unresolved = requests.filter { $0.isAccepted && $0.digest == nil && $0.tag != nil }
        guard !unresolved.isEmpty else { return }
        _ = try session.execute(
            """
            INSERT INTO countersign.job (kind, repository_id, tag, actor, lane, delivery_key)
            SELECT \(JobKind.resolve.rawValue)::text, r.id, p.tag, p.actor, p.lane, p.delivery_key
            FROM unnest(
                \(unresolved.map(\.registry))::text[], \(unresolved.map(\.repository))::text[],
                \(unresolved.map(\.tag))::text[], \(unresolved.map(\.actor))::text[],
                \(unresolved.map(\.lane.rawValue))::smallint[], \(unresolved.map(\.deliveryKey))::bytea[])
            WITH ORDINALITY AS p(registry, name, tag, actor, lane, delivery_key, n)
            JOIN countersign.repository r ON r.registry = p.registry AND r.name = p.name
            ORDER BY p.n
            """)
    }

    /// Writes down that tags moved, in the order of the requests: to a digest, or to one that is not known yet. Refused
    /// pushes move tags too: what was pushed under a tag before is not what it means any more. Repositories that we do not
    /// know have no tags that could be mistaken.
    ///
    /// - Parameter resolvedSince: of the answer to a resolve job, when the push came that asked for it (as text, so that no
    ///   microsecond is lost). If the tag was pushed again since, the answer may be older than that push and says nothing.
    static func appendTagHistory(
        _ requests: [EnqueueRequest], resolvedSince: String? = nil, in session: Session
    ) throws {
        let moves = requests.filter(\.movesItsTag)
        guard !moves.isEmpty else { return }
        // a sub-select that gives a value is not made a join of, which would read all tags of the repository for each
        let unlessPushedSince: Query =
            if let resolvedSince {
                """
                WHERE (SELECT count(*) FROM countersign.tag_history h WHERE h.repository_id = r.id AND h.tag = p.tag
                    AND h.seen_at > \(resolvedSince)::text::timestamptz) = 0
                """
            } else { "" }
        _ = try session.execute(
            """
            INSERT INTO countersign.tag_history (repository_id, tag, digest, actor, source)
            SELECT r.id, p.tag, p.digest, p.actor, p.source
            FROM unnest(
                \(moves.map(\.registry))::text[], \(moves.map(\.repository))::text[], \(moves.map(\.tag))::text[],
                \(moves.map { $0.digest?.description })::text[], \(moves.map { $0.actor?.recorded(255) })::text[],
                \(moves.map { _ in resolvedSince == nil ? "told" : "resolved" })::text[])
            WITH ORDINALITY AS p(registry, name, tag, digest, actor, source, n)
            JOIN countersign.repository r ON r.registry = p.registry AND r.name = p.name
            \(unlessPushedSince)
            ORDER BY p.n
            """)
    }

    /// A tag that could not be resolved has no target to show it; its dead letter ends with what else is written down of the
    /// tag, and not before: without it nobody could tell how the question went.
    static func endLettersOfTags(_ requests: [EnqueueRequest], in session: Session) throws {
        let pushed = requests.filter { $0.isAccepted && $0.movesItsTag }
        guard !pushed.isEmpty else { return }
        _ = try session.execute(
            """
            DELETE FROM countersign.dead_letter WHERE job_id = ANY(ARRAY(
                SELECT d.job_id
                FROM unnest(
                    \(pushed.map(\.registry))::text[], \(pushed.map(\.repository))::text[],
                    \(pushed.map(\.tag))::text[]) AS p(registry, name, tag)
                JOIN countersign.repository r ON r.registry = p.registry AND r.name = p.name
                JOIN countersign.dead_letter d ON d.repository_id = r.id AND d.tag = p.tag AND d.target_id IS NULL
                ORDER BY d.job_id FOR UPDATE OF d))
            """)
    }
}

extension EnqueueRequest {
    fileprivate var isAccepted: Bool { if case .accepted = verdict { true } else { false } }

    /// Whether it tells where its tag points, or that this is not known any more. What a column could not take whole is no
    /// tag of a repository that we know.
    fileprivate var movesItsTag: Bool {
        guard let tag, !tag.isEmpty, tag == tag.recorded(128), registry == registry.recorded(255),
            repository == repository.recorded(255)
        else { return false }
        switch verdict {
        case .accepted: return digest == nil || speaksForTag
        case .refused: return speaksForTag
        }
    }
}
