import OCI
import Postgres

/// Which members enter the queue next: a page, what the batch's rate allows, or a whole group.
extension BatchFeeder {
    /// The transaction holds the batch's row.
    static func next(of batch: Batch, _ session: Session) throws -> [Pending] {
        let waiting = try registriesToWaitFor(batch, session)
        if let grouping = batch.grouping { return try nextGroup(of: batch, grouping, waiting, session) }
        let pending = try page(of: batch, without: waiting, limit: stepLimit, session)
        guard let rate = batch.rate else { return pending }
        // no more than a second's worth in one step
        var left = Dictionary(grouping: pending, by: \.repository.registry).mapValues { _ in max(1, rate / 60) }
        return pending.filter { member in
            let registry = member.repository.registry
            left[registry, default: 0] -= 1
            return left[registry, default: 0] >= 0
        }
    }

    private static func page(
        of batch: Batch, without waiting: [String], in repository: Repository? = nil, limit: Int, _ session: Session
    ) throws -> [Pending] {
        try session.query(
            """
            SELECT ordinal, registry, repository, digest FROM countersign.batch_member
            WHERE batch_id = \(batch.id) AND target_id IS NULL AND result IS NULL AND digest IS NOT NULL
                AND registry <> ALL(\(waiting)::text[])
                AND (\(repository?.registry)::text IS NULL
                    OR (registry = \(repository?.registry)::text AND repository = \(repository?.name)::text))
            ORDER BY ordinal LIMIT \(Int64(limit))
            """
        ).map(Pending.init)
    }

    /// The members of the next statement: as many digests as it may be about, each with all its tags. A statement that is
    /// not full waits while there are tags of which nobody knows yet where they point; those that could not be asked
    /// for hold nobody up.
    private static func nextGroup(
        of batch: Batch, _ grouping: Batch.Grouping, _ waiting: [String], _ session: Session
    ) throws -> [Pending] {
        let places = try session.query(
            """
            SELECT registry, repository, count(DISTINCT digest) AS digests,
                count(*) FILTER (WHERE digest IS NULL AND failures = 0) AS unasked
            FROM countersign.batch_member
            WHERE batch_id = \(batch.id) AND target_id IS NULL AND result IS NULL AND registry <> ALL(\(waiting)::text[])
            GROUP BY 1, 2 ORDER BY min(ordinal)
            """
        ).map(Place.init)
        let full = Int64(grouping.maxSubjects)
        let repository: Repository?
        if grouping.acrossRepositories {
            let digests = places.reduce(0) { $0 + $1.digests }
            guard digests >= full || (digests > 0 && places.allSatisfy { $0.unasked == 0 }) else { return [] }
            repository = nil
        } else {
            let ready = places.first { $0.digests >= full || ($0.digests > 0 && $0.unasked == 0) }
            guard let ready else { return [] }
            repository = ready.repository
        }
        let pending = try page(
            of: batch, without: waiting, in: repository, limit: BatchRequest.memberLimit, session)
        var chosen = Set<Key>()
        return pending.filter { member in
            if chosen.count < grouping.maxSubjects { chosen.insert(member.key) }
            return chosen.contains(member.key)
        }
    }

    private struct Place {
        let repository: Repository
        let digests: Int64
        let unasked: Int64

        init(_ row: Row) throws {
            repository = try Repository(registry: try row.decode("registry"), name: try row.decode("repository"))
            digests = try row.decode("digests")
            unasked = try row.decode("unasked")
        }
    }

    // MARK: Rate

    private static func registriesToWaitFor(_ batch: Batch, _ session: Session) throws -> [String] {
        guard batch.rate != nil else { return [] }
        return try session.query(
            """
            SELECT registry FROM countersign.batch_pace
            WHERE batch_id = \(batch.id) AND free_at > clock_timestamp()
            """
        ).map { try $0.decode("registry") }
    }

    /// Each digest that entered takes its share of a minute; the next one may follow when all of them have had it.
    static func pace(_ entered: [Pending], of batch: Batch, _ session: Session) throws {
        guard let rate = batch.rate, !entered.isEmpty else { return }
        let counts = Dictionary(grouping: entered, by: \.repository.registry).mapValues(\.count)
            .sorted { $0.key < $1.key }
        _ = try session.execute(
            """
            INSERT INTO countersign.batch_pace AS p (batch_id, registry, free_at)
            SELECT \(batch.id), e.registry, clock_timestamp() + e.spent
            FROM unnest(\(counts.map(\.key))::text[], \(counts.map { Duration.seconds(60) * $0.value / rate })::interval[])
                AS e(registry, spent)
            ON CONFLICT (batch_id, registry) DO UPDATE
            SET free_at = excluded.free_at + greatest(p.free_at - clock_timestamp(), interval '0')
            """)
    }
}
