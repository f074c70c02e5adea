package import FoundationEssentials
package import Postgres

/// The table `upstream`: where the daemons' views of their dependencies meet. Every change is a step of the pure parts
/// under the lock of the row, at the database's time.
package struct DependencyLedger: Sendable {
    private let pool: ConnectionPool
    private let statements: Counter?

    /// - Parameter statements: counts what budgets cost the database.
    package init(pool: ConnectionPool, statements: Counter? = nil) {
        self.pool = pool
        self.statements = statements
    }

    /// All rows, and what is needed to read them.
    package struct Board: Sendable {
        /// The database's clock.
        package let now: Date
        /// Daemons that beat within the time asked for; one that is stopping has its share until it is gone.
        package let daemons: Int
        /// How many of them stand before the one that asks, and whether it is among them.
        let rank: Int
        let isListed: Bool
        package let records: [DependencyRecord]
    }

    /// One statement, whatever there is.
    /// - Parameter daemon: which one asks; nil: none of them.
    package func board(
        livingWithin age: Duration = .seconds(30), of daemon: UUID? = nil
    ) async throws(QueueError) -> Board {
        statements?.increment()
        let rows = try await pool.rows(
            """
            SELECT clock_timestamp() AS now, w.daemons, w.rank, w.is_listed, u.*
            FROM (SELECT count(*) AS daemons, coalesce(bool_or(id = \(daemon)::uuid), false) AS is_listed,
                    count(*) FILTER (WHERE id < \(daemon)::uuid) AS rank
                FROM countersign.worker WHERE seen_at > now() - \(age)::interval) AS w
                LEFT JOIN countersign.upstream u ON true
            ORDER BY u.kind, u.name
            """)
        let records = try rows.values { row in
            try row.decode("kind", as: String?.self) == nil ? nil : try DependencyRecord(row)
        }.compactMap(\.self)
        guard
            let head = try rows.values({ row in
                (
                    now: try row.decode("now", as: Date.self), daemons: try row.decode("daemons", as: Int64.self),
                    rank: try row.decode("rank", as: Int64.self), isListed: try row.decode("is_listed", as: Bool.self)
                )
            }).first
        else { throw .unreadable(table: "upstream", what: "the time") }
        return Board(
            now: head.now, daemons: Int(head.daemons), rank: Int(head.rank), isListed: head.isListed, records: records)
    }

    /// Rows for those that have none: what is configured is shown before it is used.
    func add(_ dependencies: [Dependency]) async throws(QueueError) {
        guard !dependencies.isEmpty else { return }
        statements?.increment()
        let sorted = dependencies.sorted { $0.description < $1.description }
        _ = try await pool.together { session in
            try session.execute(
                """
                INSERT INTO countersign.upstream (kind, name)
                SELECT * FROM unnest(\(sorted.map(\.kind.rawValue))::text[], \(sorted.map(\.name))::text[])
                ON CONFLICT DO NOTHING
                """)
        }
    }

    /// Changes one row; `body` gets it as it is under the lock, and the time.
    package func change<Value: Sendable>(
        _ dependency: Dependency, _ body: @escaping @Sendable (inout DependencyRecord, Date) -> Value
    ) async throws(QueueError) -> (value: Value, record: DependencyRecord, now: Date) {
        statements?.increment()
        return try await pool.together { session in
            let rows = try Self.locked(dependency, in: session) ?? Self.inserted(dependency, in: session)
            guard let row = rows else { throw QueueError.unreadable(table: "upstream", what: dependency.description) }
            let before = try DependencyRecord(row)
            let now: Date = try row.decode("now")
            var record = before
            let value = body(&record, now)
            if record != before { try Self.store(record, in: session) }
            return (value, record, now)
        }
    }

    /// The time is that of the lock, as rows of a subquery are: asked for beside FOR UPDATE, it would be from before the wait.
    private static func locked(_ dependency: Dependency, in session: Session) throws -> Row? {
        try session.query(
            """
            SELECT clock_timestamp() AS now, locked.* FROM (
                SELECT \(DependencyRecord.columns) FROM countersign.upstream
                WHERE kind = \(dependency.kind.rawValue)::text AND name = \(dependency.name)::text FOR UPDATE
            ) AS locked
            """
        ).first
    }

    private static func inserted(_ dependency: Dependency, in session: Session) throws -> Row? {
        _ = try session.execute(
            """
            INSERT INTO countersign.upstream (kind, name)
            VALUES (\(dependency.kind.rawValue)::text, \(dependency.name)::text) ON CONFLICT DO NOTHING
            """)
        return try locked(dependency, in: session)
    }

    private static func store(_ record: DependencyRecord, in session: Session) throws {
        let (breaker, bucket) = (record.breaker, record.bucket)
        _ = try session.execute(
            """
            UPDATE countersign.upstream SET openings = \(Int32(breaker.openings)), open_until = \(breaker.retryAt),
                probe_holder = \(breaker.probe?.holder), probe_until = \(breaker.probe?.until),
                changed_at = \(record.changedAt), failure_code = \(record.failure?.code), failed_at = \(record.failure?.at),
                tokens = \(bucket.tokens), refilled_at = \(bucket.refilledAt), slowed_rate = \(bucket.slowed?.rate),
                slowed_from = \(bucket.slowed?.from), slowed_at = \(bucket.slowed?.at),
                paused_until = \(bucket.pausedUntil)
            WHERE kind = \(record.dependency.kind.rawValue)::text AND name = \(record.dependency.name)::text
            """)
    }
}
