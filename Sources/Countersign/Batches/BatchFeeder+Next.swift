import OCI
import Postgres

/// Which members enter the queue next: a page, what the batch's rate allows, or a whole group.
extension BatchFeeder {
    /// The transaction holds the batch's row.
    func next(of batch: Batch, _ session: Session) throws -> [Pending] {
        let waiting = try Self.registriesToWaitFor(batch, session)
        if let grouping = batch.grouping { return try nextGroup(of: batch, grouping, waiting, session) }
        let pending = try Self.page(of: batch, without: waiting, limit: Self.stepLimit, session)
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
        of batch: Batch, without waiting: [String], in repositories: [Repository]? = nil, limit: Int,
        _ session: Session
    ) throws -> [Pending] {
        try session.query(
            """
            SELECT ordinal, registry, repository, digest FROM countersign.batch_member
            WHERE batch_id = \(batch.id) AND target_id IS NULL AND result IS NULL AND digest IS NOT NULL
                AND registry <> ALL(\(waiting)::text[])
                AND (\(repositories == nil) OR (registry, repository) IN (
                    SELECT r.registry, r.name FROM unnest(\(repositories?.map(\.registry) ?? [])::text[],
                        \(repositories?.map(\.name) ?? [])::text[]) AS r(registry, name)))
            ORDER BY ordinal LIMIT \(Int64(limit))
            """
        ).map(Pending.init)
    }

    /// The members of the next statement: as many digests as it may be about, each with all its tags. Of one repository,
    /// or of all that one tenant has: whoever reads a statement reads the names in it. A statement that is not full waits
    /// while there are tags of which nobody knows yet where they point; those that were asked for in vain, and those of a
    /// registry that is away, hold nobody up. With a rate it has no more of one registry than may enter in a minute.
    private func nextGroup(
        of batch: Batch, _ grouping: Batch.Grouping, _ waiting: [String], _ session: Session
    ) throws -> [Pending] {
        let places = try session.query(
            """
            SELECT registry, repository, count(DISTINCT digest) AS digests,
                count(*) FILTER (WHERE digest IS NULL AND failures = 0
                    AND error ->> 'code' IS DISTINCT FROM \(DependencyGate.openCode)::text) AS unasked
            FROM countersign.batch_member
            WHERE batch_id = \(batch.id) AND target_id IS NULL AND result IS NULL AND registry <> ALL(\(waiting)::text[])
            GROUP BY 1, 2 ORDER BY min(ordinal)
            """
        ).map(Place.init)
        let most = batch.rate ?? grouping.maxSubjects
        let ready = (grouping.acrossRepositories ? byTenant(places) : places.map { [$0] }).first { places in
            let registries = Dictionary(grouping: places, by: \.repository.registry).values
            let digests = registries.reduce(0) { sum, own in sum + min(most, own.reduce(0) { $0 + Int($1.digests) }) }
            return digests >= min(grouping.maxSubjects, most * registries.count)
                || (digests > 0 && places.allSatisfy { $0.unasked == 0 })
        }
        guard let ready else { return [] }
        let pending = try Self.page(
            of: batch, without: waiting, in: ready.map(\.repository), limit: BatchRequest.memberLimit, session)
        var chosen = Set<Key>()
        var left: [String: Int] = [:]
        return pending.filter { member in
            let registry = member.repository.registry
            if chosen.count < grouping.maxSubjects, left[registry, default: most] > 0,
                chosen.insert(member.key).inserted
            {
                left[registry, default: most] -= 1
            }
            return chosen.contains(member.key)
        }
    }

    /// In the order of the first place of each. What no tenant names is together, too.
    private func byTenant(_ places: [Place]) -> [[Place]] {
        var order: [String?] = []
        var apart: [String?: [Place]] = [:]
        for place in places {
            let tenant = tenants.name(of: place.repository)
            if apart[tenant] == nil { order.append(tenant) }
            apart[tenant, default: []].append(place)
        }
        return order.compactMap { apart[$0] }
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
