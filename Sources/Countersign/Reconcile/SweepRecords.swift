package import FoundationEssentials
package import OCI
package import Postgres

/// Where the sweeps stand: registries, their repositories, and what the last look at each came to.
package struct SweepRecords: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// A registry, and whether it is known what repositories it has.
    package struct Registry: Sendable {
        package enum Catalog: String, Sendable {
            /// Not asked yet.
            case unknown
            /// Lists and rules write out all names.
            case notNeeded = "not_needed"
            case listed
            /// It names none: swept are the names that are written out and those that pushes told of.
            case absent
        }

        package let name: String
        package let requestedAt: Date?
        package let dueAt: Date?
        package let catalog: Catalog
        package let listedAt: Date?
        package let error: Failure?
        /// Published signatures: when the round began that is under way, when the last one ended, how many were looked at.
        package let recheckBeganAt: Date?
        package let recheckEndedAt: Date?
        package let rechecked: Int
        let page: String?
        let failures: Int
    }

    /// One repository and its sweep.
    package struct Sweep: Sendable {
        package enum State: String, Sendable { case waiting, due, sweeping }

        package let id: Int32
        package let repository: Repository
        package let state: State
        package let requestedAt: Date?
        package let dueAt: Date?
        package let startedAt: Date?
        package let sweptAt: Date?
        package let counts: Counts
        package let error: Failure?
        let page: String?
        let failures: Int
    }

    /// Of the sweep that is under way, else of the last.
    package struct Counts: Sendable, Equatable {
        /// Tags, those of signatures left out.
        package var tags = 0
        /// Digests that no webhook had told of, put into the queue.
        package var missed = 0
        /// Tags that point elsewhere than they were last seen.
        package var moved = 0
        /// Tags whose manifest cannot be read.
        package var unreadable = 0

        package init() {}
    }

    /// Every registry that was ever looked at, by name.
    package func registries() async throws(QueueError) -> [Registry] {
        try await pool.rows("\(unescaped: Self.registryColumns) ORDER BY registry").values(Registry.init)
    }

    /// Repositories, the latest known first.
    /// - Parameters:
    ///   - before: ``Page/next`` of the page before.
    ///   - limit: 1…500.
    package func sweeps(
        _ filter: RepositoryFilter, before: Int64? = nil, limit: Int = 100
    ) async throws(QueueError) -> Page<Sweep> {
        try await Gathering().page(
            before: before, limit: min(max(limit, 1), 500), cursor: { Int64($0.id) },
            item: { (sweep: Sweep) in filter.allows(sweep.repository) ? sweep : nil },
            rows: { before, count throws(QueueError) in
                try await pool.rows(
                    """
                    \(unescaped: Self.sweepColumns)
                    WHERE s.repository_id < coalesce(\(before)::bigint, 9223372036854775807)
                    ORDER BY s.repository_id DESC LIMIT \(count)::int
                    """
                ).values(Sweep.init)
            })
    }

    /// How many registries and repositories somebody asked for that are not done.
    /// - Parameter filter: what it is about; registries are counted only where it is about everything.
    package func pending(_ filter: RepositoryFilter = RepositoryFilter()) async throws(QueueError) -> Int {
        guard !filter.isOpen else {
            let rows = try await pool.rows(
                """
                SELECT (SELECT count(*) FROM countersign.swept_registry WHERE requested_at IS NOT NULL)
                    + (SELECT count(*) FROM countersign.swept_repository WHERE requested_at IS NOT NULL) AS pending
                """)
            return Int(try rows.values { try $0.decode("pending", as: Int64.self) }.first ?? 0)
        }
        let only = filter.exact
        let asked = try await pool.rows(
            """
            SELECT r.registry, r.name
            FROM countersign.swept_repository s JOIN countersign.repository r ON r.id = s.repository_id
            WHERE s.requested_at IS NOT NULL
                AND (\(only?.registry)::text IS NULL OR r.registry = \(only?.registry)::text)
                AND (\(only?.name)::text IS NULL OR r.name = \(only?.name)::text)
            """
        ).values { try Repository(registry: try $0.decode("registry"), name: try $0.decode("name")) }
        return asked.count { filter.allows($0) }
    }

    /// Asks for a sweep of these registries, all of their repositories, as soon as may be. A listing that is under way goes on,
    /// and another follows: what it has passed may have been pushed to since. Who asks again and again has no effect on that.
    /// - Returns: when it was asked, by the database's clock.
    package func request(registries: [String], _ act: AuditLog.Entry) async throws(QueueError) -> Date {
        try await pool.together { session in
            _ = try session.execute(
                """
                INSERT INTO countersign.swept_registry AS s (registry, requested_at, due_at)
                SELECT name, now(), now() FROM unnest(\(registries)::text[]) AS r(name) ORDER BY 1
                ON CONFLICT (registry) DO UPDATE SET requested_at = now(), due_at = least(s.due_at, now()), failures = 0
                """)
            return try Self.requested(act, in: session)
        }
    }

    /// The same for one repository.
    package func request(_ repository: Repository, _ act: AuditLog.Entry) async throws(QueueError) -> Date {
        try await pool.together { session in
            try Self.enter([repository], in: session)
            _ = try session.execute(
                """
                UPDATE countersign.swept_repository
                SET requested_at = now(), due_at = least(due_at, now()), failures = 0
                WHERE repository_id = (SELECT id FROM countersign.repository
                    WHERE registry = \(repository.registry)::text AND name = \(repository.name)::text)
                """)
            return try Self.requested(act, in: session)
        }
    }

    private static func requested(_ act: AuditLog.Entry, in session: Session) throws -> Date {
        let rows = try session.query("SELECT now() AS now")
        guard let now: Date = try rows.first?.decode("now") else {
            throw QueueError.unreadable(table: "", what: "now()")
        }
        try AuditLog.append(act, in: session)
        return now
    }

    /// Sees that these repositories have a row, in the dictionary and here.
    static func enter(_ repositories: [Repository], in session: Session) throws {
        let (registries, names) = (repositories.map(\.registry), repositories.map(\.name))
        _ = try session.execute(
            """
            INSERT INTO countersign.repository (registry, name)
            SELECT p.registry, p.name FROM unnest(\(registries)::text[], \(names)::text[]) AS p(registry, name)
            WHERE NOT EXISTS (SELECT FROM countersign.repository r WHERE r.registry = p.registry AND r.name = p.name)
            ORDER BY 1, 2 ON CONFLICT DO NOTHING
            """)
        _ = try session.execute(
            """
            INSERT INTO countersign.swept_repository (repository_id, due_at)
            SELECT r.id, now() FROM unnest(\(registries)::text[], \(names)::text[]) AS p(registry, name)
            JOIN countersign.repository r ON r.registry = p.registry AND r.name = p.name
            ORDER BY 1 ON CONFLICT DO NOTHING
            """)
    }

    static let registryColumns: StaticString = """
        SELECT registry, requested_at, due_at, catalog, page, listed_at, failures, error::text AS error, recheck_round_at,
            recheck_ended_at, recheck_queued
        FROM countersign.swept_registry
        """

    static let sweepColumns: StaticString = """
        SELECT s.repository_id, r.registry, r.name, s.requested_at, s.due_at, s.started_at, s.page, s.swept_at, s.tags, s.missed,
            s.moved, s.unreadable, s.failures, s.error::text AS error, coalesce(s.due_at <= now(), false) AS is_due
        FROM countersign.swept_repository s JOIN countersign.repository r ON r.id = s.repository_id
        """
}

extension SweepRecords.Registry {
    init(_ row: Row) throws {
        guard let catalog = Catalog(rawValue: try row.decode("catalog")) else {
            throw QueueError.unreadable(table: "swept_registry", what: "catalog")
        }
        name = try row.decode("registry")
        requestedAt = try row.decode("requested_at")
        dueAt = try row.decode("due_at")
        self.catalog = catalog
        page = try row.decode("page")
        listedAt = try row.decode("listed_at")
        failures = Int(try row.decode("failures", as: Int32.self))
        error = try row.decode("error", as: String?.self).map { try Failure(json: $0) }
        recheckBeganAt = try row.decode("recheck_round_at")
        recheckEndedAt = try row.decode("recheck_ended_at")
        rechecked = Int(try row.decode("recheck_queued", as: Int64.self))
    }
}

extension SweepRecords.Sweep {
    init(_ row: Row) throws {
        func count(_ column: String) throws -> Int { Int(try row.decode(column, as: Int32.self)) }
        id = try row.decode("repository_id")
        repository = try Repository(registry: try row.decode("registry"), name: try row.decode("name"))
        requestedAt = try row.decode("requested_at")
        dueAt = try row.decode("due_at")
        startedAt = try row.decode("started_at")
        page = try row.decode("page")
        sweptAt = try row.decode("swept_at")
        counts = SweepRecords.Counts(
            tags: try count("tags"), missed: try count("missed"), moved: try count("moved"),
            unreadable: try count("unreadable"))
        failures = try count("failures")
        error = try row.decode("error", as: String?.self).map { try Failure(json: $0) }
        let isDue: Bool = try row.decode("is_due")
        state = !isDue ? .waiting : startedAt == nil ? .due : .sweeping
    }
}

extension SweepRecords.Counts {
    init(tags: Int, missed: Int, moved: Int, unreadable: Int) {
        (self.tags, self.missed, self.moved, self.unreadable) = (tags, missed, moved, unreadable)
    }
}
