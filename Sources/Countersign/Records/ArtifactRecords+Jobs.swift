import FoundationEssentials
package import OCI
import Postgres

extension ArtifactRecords {
    /// Work that is left, newest first.
    /// - Parameters:
    ///   - state: `queued`, `signing` or `waiting`; other states have no job.
    ///   - before: ``Page/next`` of the page before.
    ///   - scope: what the reader may see; other jobs are left out.
    ///   - limit: 1…500.
    package func jobs(
        state: TargetState? = nil, repository: Repository? = nil, scope: TokenScope? = nil, before: Int64? = nil,
        limit: Int = 100
    ) async throws(QueueError) -> Page<JobRecord> {
        let limit = min(max(limit, 1), 500)
        return try await Gathering(step: scope == nil ? limit : 500, steps: scope == nil ? 1 : 10).page(
            before: before, limit: limit, cursor: \.id,
            item: { job in scope?.allows(job.repository, for: job.purpose) ?? true ? job : nil },
            rows: { before, count throws(QueueError) in
                try await jobs(state: state, repository: repository, before: before, count: count)
            })
    }

    /// One job, while there is work left in it.
    package func job(_ id: Int64) async throws(QueueError) -> JobRecord? {
        try await pool.rows("\(unescaped: Self.jobColumns) WHERE j.id = \(id)").values(JobRecord.init).first
    }

    private static let jobColumns: StaticString = """
        SELECT j.id, j.kind, r.registry, r.name, t.digest, t.purpose, j.tag, t.state = 'signed' AS recheck,
            CASE WHEN j.leased THEN 'signing' WHEN j.run_at > now() THEN 'waiting' ELSE 'queued' END AS state,
            j.lane, j.attempt, j.failures, j.crash_count, j.received_at, j.run_at, j.lease_expires_at, j.worker,
            j.last_error::text AS last_error
        FROM countersign.job j
        JOIN countersign.repository r ON r.id = j.repository_id
        LEFT JOIN countersign.target t ON t.id = j.target_id
        """

    private func jobs(
        state: TargetState?, repository: Repository?, before: Int64?, count: Int
    ) async throws(QueueError) -> [JobRecord] {
        try await pool.rows(
            """
            \(unescaped: Self.jobColumns)
            WHERE j.id < coalesce(\(before)::bigint, 9223372036854775807)
                AND (\(repository?.registry)::text IS NULL OR r.registry = \(repository?.registry)::text)
                AND (\(repository?.name)::text IS NULL OR r.name = \(repository?.name)::text)
                AND (\(state?.rawValue)::text IS NULL OR \(state?.rawValue)::text =
                    CASE WHEN j.leased THEN 'signing' WHEN j.run_at > now() THEN 'waiting' ELSE 'queued' END)
            ORDER BY j.id DESC LIMIT \(count)::int
            """
        ).values(JobRecord.init)
    }

    /// What was given up, newest first.
    /// - Parameter scope: what the reader may see; other letters are left out.
    package func deadLetters(
        scope: TokenScope? = nil, before: Int64? = nil, limit: Int = 100
    ) async throws(QueueError) -> Page<DeadLetter> {
        let limit = min(max(limit, 1), 500)
        return try await Gathering(step: scope == nil ? limit : 500, steps: scope == nil ? 1 : 10).page(
            before: before, limit: limit, cursor: \.jobID,
            item: { letter in scope?.allows(letter.repository, for: letter.purpose) ?? true ? letter : nil },
            rows: { before, count throws(QueueError) in
                try await pool.rows(
                    """
                    \(unescaped: Self.letterColumns)
                    WHERE d.job_id < coalesce(\(before)::bigint, 9223372036854775807)
                    ORDER BY d.job_id DESC LIMIT \(count)::int
                    """
                ).values(DeadLetter.init)
            })
    }

    /// The letter of one job.
    package func deadLetter(_ job: Int64) async throws(QueueError) -> DeadLetter? {
        try await pool.rows("\(unescaped: Self.letterColumns) WHERE d.job_id = \(job)").values(DeadLetter.init).first
    }

    private static let letterColumns: StaticString = """
        SELECT d.job_id, d.kind, d.target_id, r.registry, r.name, t.digest, t.purpose, d.tag, d.buried_at, d.received_at,
            d.attempts, d.crashes, d.error::text AS error
        FROM countersign.dead_letter d
        JOIN countersign.repository r ON r.id = d.repository_id
        LEFT JOIN countersign.target t ON t.id = d.target_id
        """
}

extension JobRecord {
    fileprivate init(_ row: Row) throws {
        guard let state = TargetState(rawValue: try row.decode("state")),
            let lane = Lane(rawValue: try row.decode("lane"))
        else { throw QueueError.unreadable(table: "job", what: "state or lane") }
        self.init(
            id: try row.decode("id"), kind: JobKind(rawValue: try row.decode("kind")),
            repository: try Repository(registry: try row.decode("registry"), name: try row.decode("name")),
            digest: try row.decode("digest", as: String?.self).map { try Digest($0) },
            purpose: try row.decode("purpose", as: String?.self).map(Purpose.init(rawValue:)),
            tag: try row.decode("tag"), state: state, recheck: try row.decode("recheck", as: Bool?.self) ?? false,
            lane: lane,
            attempt: Int(try row.decode("attempt", as: Int32.self)),
            failures: Int(try row.decode("failures", as: Int32.self)),
            crashes: Int(try row.decode("crash_count", as: Int32.self)), receivedAt: try row.decode("received_at"),
            runAt: try row.decode("run_at"), leaseExpiresAt: try row.decode("lease_expires_at"),
            worker: try row.decode("worker"),
            lastError: try row.decode("last_error", as: String?.self).map(Failure.init(json:)))
    }
}

extension DeadLetter {
    fileprivate init(_ row: Row) throws {
        self.init(
            jobID: try row.decode("job_id"), kind: JobKind(rawValue: try row.decode("kind")),
            targetID: try row.decode("target_id"),
            repository: try Repository(registry: try row.decode("registry"), name: try row.decode("name")),
            digest: try row.decode("digest", as: String?.self).map { try Digest($0) },
            purpose: try row.decode("purpose", as: String?.self).map(Purpose.init(rawValue:)),
            tag: try row.decode("tag"), buriedAt: try row.decode("buried_at"),
            receivedAt: try row.decode("received_at"),
            attempts: Int(try row.decode("attempts", as: Int32.self)),
            crashes: Int(try row.decode("crashes", as: Int32.self)),
            error: try Failure(json: try row.decode("error")))
    }
}
