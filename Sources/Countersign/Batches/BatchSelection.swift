import OCI
import Postgres

/// Reads what a selector selects of our records.
///
/// No index knows globs, scopes and conditions, so rows are walked in the order of an index, in steps: each statement looks
/// at a bounded number of them, whatever of these it selects, and the walk ends with the table or above the limit.
struct BatchSelection: Sendable {
    let pool: ConnectionPool
    /// Of whose refused pushes is heard: those of an endpoint for repositories on its list. Others can name what they like.
    var endpoints: [EndpointConfiguration] = []
    /// Rows that one statement looks at.
    var step = 5_000

    /// Digests that one statement asks for.
    private static let digestStep = 500
    /// So many repositories are read one by one, each by its index; more by walking all targets once.
    private static let fewRepositories = 200

    /// - Parameter signedOnly: for a re-signing: what has no signature cannot have another.
    /// - Returns: one row for each tag where tags were asked for; `nil` when there are more than `limit`.
    func subjects(
        _ selector: BatchSelector, signedOnly: Bool, limit: Int = BatchRequest.memberLimit
    ) async throws(QueueError) -> [BatchSubject]? {
        var found: [BatchSubject] = []
        let conditions = Conditions(selector, signedOnly: signedOnly)
        for walk in try await walks(selector) {
            var after: Int64? = 0
            while let position = after {
                let looked = try await look(walk, after: position, conditions)
                found += looked.found
                guard found.count <= limit else { return nil }
                after = looked.next
            }
        }
        if selector.unsigned, !signedOnly {
            guard let refused = try await refusedPushes(selector, besides: Set(found), room: limit - found.count) else {
                return nil
            }
            found += refused
        }
        return found
    }

    // MARK: Targets

    /// What is read in the order of one index.
    private enum Walk: Sendable {
        /// By digest, which is never many rows.
        case digests([String], of: [Int32]?)
        case repository(Int32)
        /// Everything, by id; `nil`: of every repository.
        case targets(of: [Int32]?)
    }

    private func walks(_ selector: BatchSelector) async throws(QueueError) -> [Walk] {
        let repositories = selector.isOpen ? nil : try await repositories(selector)
        if let digests = selector.digests?.map(\.description).sorted() {
            return stride(from: 0, to: digests.count, by: Self.digestStep).map { start in
                .digests(Array(digests[start..<min(start + Self.digestStep, digests.count)]), of: repositories)
            }
        }
        guard let repositories else { return [.targets(of: nil)] }
        return repositories.count <= Self.fewRepositories
            ? repositories.map(Walk.repository) : [.targets(of: repositories)]
    }

    /// Those that the selector allows. The dictionary has only what the configuration allows, so it is read whole.
    private func repositories(_ selector: BatchSelector) async throws(QueueError) -> [Int32] {
        try await pool.rows(
            """
            SELECT id, registry, name FROM countersign.repository
            WHERE registry = coalesce(\(selector.registry)::text, registry) ORDER BY id
            """
        ).values { row -> Int32? in
            guard let repository = try row.validRepository(), selector.allows(repository) else { return nil }
            return try row.decode("id")
        }.compactMap(\.self)
    }

    /// What is asked of a target, beside its repository.
    private struct Conditions: Sendable {
        let selector: BatchSelector
        let signed: Bool

        init(_ selector: BatchSelector, signedOnly: Bool) {
            self.selector = selector
            signed = signedOnly || selector.wantsSigned
        }
    }

    /// Newest generations of the artifacts' own signatures, of the next rows. A revoked one is never selected.
    /// - Returns: what of these rows is selected, and after which id to go on; nil at the end.
    private func look(
        _ walk: Walk, after: Int64, _ conditions: Conditions
    ) async throws(QueueError) -> (found: [BatchSubject], next: Int64?) {
        let selector = conditions.selector
        let looked: Query
        switch walk {
        case .digests(let digests, let repositories):
            looked = """
                SELECT t.* FROM unnest(\(digests)::text[]) AS asked (digest)
                JOIN countersign.target t ON t.digest = asked.digest
                WHERE t.purpose = \(Purpose.signature.rawValue)::text
                    AND (\(repositories)::int[] IS NULL OR t.repository_id = ANY(\(repositories)::int[]))
                """
        case .repository(let id):
            looked = """
                SELECT * FROM countersign.target WHERE repository_id = \(id)::int AND id > \(after)
                ORDER BY id LIMIT \(Int64(step))
                """
        case .targets(let repositories):
            looked = """
                SELECT * FROM (
                    SELECT * FROM countersign.target WHERE id > \(after) ORDER BY id LIMIT \(Int64(step))) AS walked
                WHERE \(repositories)::int[] IS NULL OR repository_id = ANY(\(repositories)::int[])
                """
        }
        let rows = try await pool.rows(
            """
            WITH looked AS (\(looked)), last AS (\(Self.end(of: walk, after: after, step: step)))
            SELECT last.id AS last, found.* FROM last LEFT JOIN LATERAL (
                SELECT t.digest, r.registry, r.name,
                    CASE WHEN \(selector.tag != nil) THEN ARRAY(
                        SELECT DISTINCT h.tag FROM countersign.tag_history h
                        WHERE h.repository_id = t.repository_id AND h.digest = t.digest
                            AND NOT EXISTS (SELECT FROM countersign.tag_history newer
                                WHERE newer.repository_id = h.repository_id AND newer.tag = h.tag AND newer.id > h.id)
                        ORDER BY h.tag) ELSE ARRAY[]::text[] END AS tags
                FROM looked t JOIN countersign.repository r ON r.id = t.repository_id
                WHERE t.purpose = \(Purpose.signature.rawValue)::text AND t.state <> 'revoked'
                    AND (NOT \(conditions.signed) OR t.state = 'signed')
                    AND (NOT \(selector.unsigned) OR t.state <> 'signed')
                    AND (\(selector.signedBefore)::timestamptz IS NULL
                        OR t.signed_at < \(selector.signedBefore)::timestamptz)
                    AND (\(selector.identity)::text IS NULL OR t.identity = \(selector.identity)::text)
                    AND NOT EXISTS (SELECT FROM countersign.target newer
                        WHERE newer.digest = t.digest AND newer.repository_id = t.repository_id
                            AND newer.purpose = t.purpose AND newer.generation > t.generation)
                ORDER BY t.id) AS found ON true
            """
        ).values { row in (last: try row.decode("last", as: Int64?.self), found: try Selected(row)) }
        return (rows.compactMap(\.found).flatMap { $0.subjects(selector.tag) }, rows.first?.last)
    }

    /// The id of the last row that a step looks at, where there may be more behind it.
    private static func end(of walk: Walk, after: Int64, step: Int) -> Query {
        switch walk {
        case .digests: "SELECT NULL::bigint AS id"
        case .repository(let id):
            """
            SELECT (SELECT id FROM countersign.target WHERE repository_id = \(id)::int AND id > \(after)
                ORDER BY id OFFSET \(Int64(step - 1)) LIMIT 1) AS id
            """
        case .targets:
            """
            SELECT (SELECT id FROM countersign.target WHERE id > \(after)
                ORDER BY id OFFSET \(Int64(step - 1)) LIMIT 1) AS id
            """
        }
    }

    private struct Selected: Sendable {
        let repository: Repository
        let digest: Digest
        let tags: [String]

        /// nil for a step that selects nothing.
        init?(_ row: Row) throws {
            guard let digest = try row.decode("digest", as: String?.self) else { return nil }
            self.digest = try Digest(digest)
            repository = try Repository(registry: try row.decode("registry"), name: try row.decode("name"))
            tags = try row.decode("tags")
        }

        func subjects(_ tag: Glob?) -> [BatchSubject] {
            guard let tag else { return [BatchSubject(repository: repository, tag: nil, digest: digest)] }
            return tags.filter(tag.matches).map { BatchSubject(repository: repository, tag: $0, digest: digest) }
        }
    }

    // MARK: Refused pushes

    /// Where the walk over refused pushes stands.
    private struct Place: Sendable {
        var digest = ""
        var event: Int64 = 0
    }

    /// Pushes that never became a target, for as long as events are kept, each once: those that an endpoint of the present
    /// configuration told of a repository on its list. What they name is what a payload claimed: the policy judges it like
    /// everything else.
    /// - Returns: `nil` when there are more than `room`.
    private func refusedPushes(
        _ selector: BatchSelector, besides known: Set<BatchSubject>, room: Int
    ) async throws(QueueError) -> [BatchSubject]? {
        var found: [BatchSubject] = []
        var seen = known
        var place: Place? = Place()
        while let position = place {
            let events = try await refusedPushes(selector, after: position)
            for event in events {
                guard let subject = event.subject, selector.allows(subject.repository) else { continue }
                if let tag = selector.tag { guard subject.tag.map(tag.matches) ?? false else { continue } }
                if seen.insert(subject).inserted { found.append(subject) }
            }
            guard found.count <= room else { return nil }
            place = events.count < step ? nil : events.last?.place
        }
        return found
    }

    private struct RefusedPush: Sendable {
        let place: Place
        /// nil where there is a target, or where what was claimed is no name or no digest.
        let subject: BatchSubject?
    }

    /// The next rows, by digest.
    private func refusedPushes(_ selector: BatchSelector, after place: Place) async throws(QueueError) -> [RefusedPush]
    {
        let digests: [String]? = selector.digests?.map(\.description).sorted()
        let wantsTags = selector.tag != nil
        return try await pool.rows(
            """
            SELECT e.id, e.source, e.registry, e.repository, e.digest, e.tag,
                -- OFFSET 0: asked for each row by its index; else all targets would be read once, and hashed
                EXISTS (SELECT FROM countersign.target t JOIN countersign.repository r ON r.id = t.repository_id
                    WHERE t.digest = e.digest AND r.registry = e.registry AND r.name = e.repository OFFSET 0) AS is_target
            FROM (
                SELECT id, source, registry, repository, digest, tag FROM countersign.event
                WHERE verdict = 'refused' AND digest >= \(place.digest)::text
                    AND (digest > \(place.digest)::text OR id > \(place.event))
                    AND (\(digests)::text[] IS NULL OR digest = ANY(\(digests)::text[]))
                ORDER BY digest, id LIMIT \(Int64(step))) AS e
            ORDER BY e.digest, e.id
            """
        ).values { row in
            let text: String = try row.decode("digest")
            let place = Place(digest: text, event: try row.decode("id"))
            guard try !row.decode("is_target", as: Bool.self), let digest = try? Digest(text),
                let repository = try? Repository(
                    registry: try row.decode("registry"), name: try row.decode("repository")),
                case let source = try row.decode("source", as: String.self),
                endpoints.contains(where: { $0.name == source && $0.speaks(for: repository) })
            else { return RefusedPush(place: place, subject: nil) }
            let tag: String? = wantsTags ? try row.decode("tag") : nil
            return RefusedPush(place: place, subject: BatchSubject(repository: repository, tag: tag, digest: digest))
        }
    }
}
