package import FoundationEssentials
package import OCI
import Postgres

/// What a list of artifacts is narrowed to; nil members narrow nothing.
package struct ArtifactFilter: Sendable {
    package var repositories = RepositoryFilter()
    package var state: TargetState?
    /// The subject alternative name that signed it, exactly.
    package var identity: String?
    /// By the first push.
    package var before: Date?
    package var after: Date?

    package init() {}
}

/// Which repositories a list is about.
package struct RepositoryFilter: Sendable {
    /// Its canonical name.
    package var registry: String?
    /// Over `registry/repository`.
    package var pattern: Glob?
    /// Of the token that asks.
    package var scope: TokenScope?

    package init() {}

    /// The one repository that a pattern without wildcards names.
    var exact: Repository? {
        guard let text = pattern?.pattern, !text.contains("*"), !text.contains("?") else { return nil }
        return try? Repository(text)
    }

    var isOpen: Bool { registry == nil && pattern == nil && scope == nil }

    package func allows(_ repository: Repository) -> Bool {
        (registry.map { repository.registry.utf8.elementsEqual($0.utf8) } ?? true)
            && (pattern?.matches(repository.description) ?? true) && (scope?.allows(repository) ?? true)
    }
}

/// How much of a repository is signed.
package struct RepositoryCoverage: Sendable {
    package let id: Int64
    package let repository: Repository
    /// Newest generations by state.
    package let artifacts: [TargetState: Int]
    /// Whether there are more than were counted.
    package let isCut: Bool
}

extension ArtifactRecords {
    /// The dictionary of repositories holds only what the configuration allows, so it is read whole.
    private static let maxRepositories = 100_000
    /// Artifacts of one repository that its coverage counts, newest first.
    private static let counted = 10_000

    /// Artifacts, the newest target first.
    package func artifacts(
        _ filter: ArtifactFilter, before: Int64? = nil, limit: Int = 100
    ) async throws(QueueError) -> Page<ArtifactStatus> {
        let limit = min(max(limit, 1), 500)
        let allowed = filter.repositories.isOpen ? nil : Set(try await repositories(filter.repositories).map(\.id))
        if allowed?.isEmpty == true { return Page([], next: nil) }
        let only = allowed?.count == 1 ? allowed?.first : nil
        let ids = try await Gathering(step: 5000, steps: 4).page(
            before: before, limit: limit, cursor: \.id,
            item: { row in
                filter.passes(row) && (allowed?.contains(row.repositoryID) ?? true) ? row.id : nil
            },
            rows: { before, count throws(QueueError) in
                try await targets(filter, of: only, before: before, count: count)
            })
        let found = try await pool.rows(
            """
            SELECT \(Self.statusColumns)
            FROM countersign.target t
            JOIN countersign.repository r ON r.id = t.repository_id
            LEFT JOIN countersign.job j ON j.target_id = t.id
            WHERE t.id = ANY(\(ids.items)::bigint[]) AND NOT EXISTS (
                SELECT 1 FROM countersign.target n WHERE n.digest = t.digest AND n.repository_id = t.repository_id
                    AND n.purpose = t.purpose AND n.generation > t.generation)
            ORDER BY t.id DESC
            """
        ).values(ArtifactStatus.init)
        return Page(found, next: ids.next)
    }

    /// What a filter looks at, of one step.
    private func targets(
        _ filter: ArtifactFilter, of repository: Int32?, before: Int64?, count: Int
    ) async throws(QueueError) -> [TargetRow] {
        if let repository {
            return try await pool.rows(
                """
                SELECT id, repository_id, state, identity FROM countersign.target
                WHERE repository_id = \(repository)::int AND id < coalesce(\(before)::bigint, 9223372036854775807)
                    AND purpose = 'signature' AND received_at < coalesce(\(filter.before)::timestamptz, 'infinity')
                    AND received_at >= coalesce(\(filter.after)::timestamptz, '-infinity')
                ORDER BY id DESC LIMIT \(count)::int
                """
            ).values(TargetRow.init)
        }
        // ids are drawn in the order of arrival, but for writers of the same moment: an hour is more than any of them takes
        return try await pool.rows(
            """
            SELECT id, repository_id, state, identity FROM countersign.target
            WHERE id < coalesce(\(before)::bigint, 9223372036854775807) AND purpose = 'signature'
                AND id <= coalesce((SELECT max(id) FROM (
                    SELECT id FROM countersign.target
                    WHERE received_at < \(filter.before)::timestamptz + interval '1 hour'
                    ORDER BY received_at DESC LIMIT 100) AS latest), 9223372036854775807)
                AND received_at < coalesce(\(filter.before)::timestamptz, 'infinity')
                AND received_at >= coalesce(\(filter.after)::timestamptz, '-infinity')
            ORDER BY id DESC LIMIT \(count)::int
            """
        ).values(TargetRow.init)
    }

    /// The repositories of the dictionary that a filter allows, the latest one first.
    private func repositories(
        _ filter: RepositoryFilter
    ) async throws(QueueError) -> [(id: Int32, repository: Repository)] {
        try await pool.rows(
            """
            SELECT id, registry, name FROM countersign.repository
            WHERE registry = coalesce(\(filter.registry)::text, registry)
            ORDER BY id DESC LIMIT \(Self.maxRepositories)::int
            """
        ).values { row -> (id: Int32, repository: Repository)? in
            guard let repository = try row.validRepository(), filter.allows(repository) else { return nil }
            return (id: try row.decode("id"), repository: repository)
        }.compactMap(\.self)
    }

    /// How much of each repository is signed, the one that was seen last first.
    package func coverage(
        _ filter: RepositoryFilter, before: Int64? = nil, limit: Int = 50
    ) async throws(QueueError) -> Page<RepositoryCoverage> {
        let limit = min(max(limit, 1), 100)
        let asked = try await repositories(filter).filter { Int64($0.id) < before ?? .max }.prefix(limit)
        let counts = try await pool.rows(
            """
            SELECT asked.id, c.state, c.artifacts
            FROM unnest(\(asked.map(\.id))::int[]) AS asked (id)
            CROSS JOIN LATERAL (
                SELECT state, count(*) AS artifacts FROM (
                    SELECT t.state FROM countersign.target t
                    WHERE t.repository_id = asked.id AND t.purpose = 'signature' AND NOT EXISTS (
                        SELECT 1 FROM countersign.target n
                        WHERE n.digest = t.digest AND n.repository_id = t.repository_id AND n.purpose = t.purpose
                            AND n.generation > t.generation)
                    ORDER BY t.id DESC LIMIT \(Self.counted)::int) AS newest
                GROUP BY state) AS c
            """
        ).values { row in
            guard let state = TargetState(rawValue: try row.decode("state")) else {
                throw QueueError.unreadable(table: "target", what: "state")
            }
            return (
                id: try row.decode("id", as: Int32.self), state: state,
                artifacts: Int(try row.decode("artifacts", as: Int64.self))
            )
        }
        let byRepository = Dictionary(grouping: counts, by: \.id)
        let items = asked.map { id, repository in
            let own = byRepository[id] ?? []
            return RepositoryCoverage(
                id: Int64(id), repository: repository,
                artifacts: Dictionary(uniqueKeysWithValues: own.map { ($0.state, $0.artifacts) }),
                isCut: own.reduce(0) { $0 + $1.artifacts } == Self.counted)
        }
        return Page(items, limit: limit, id: \.id)
    }
}

/// What a filter looks at.
private struct TargetRow: Sendable {
    let id: Int64
    let repositoryID: Int32
    let state: String
    let identity: String?

    init(_ row: Row) throws {
        id = try row.decode("id")
        repositoryID = try row.decode("repository_id")
        state = try row.decode("state")
        identity = try row.decode("identity")
    }
}

extension ArtifactFilter {
    fileprivate func passes(_ row: TargetRow) -> Bool {
        (state.map { $0.rawValue == row.state } ?? true)
            && (identity.map { wanted in row.identity.map { $0.utf8.elementsEqual(wanted.utf8) } ?? false } ?? true)
    }
}
