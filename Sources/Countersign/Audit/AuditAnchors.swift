package import FoundationEssentials
import OpenSSL
package import Postgres

/// Signed heads of the audit chain: what was anchored, and what is on its way into a log.
package struct AuditAnchors: Sendable {
    private let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// One head and what was made of it.
    package struct Anchor: Sendable {
        package let id: Int64
        package let position: Int64
        package let head: [UInt8]
        package let evidenceID: Int64
        /// Without its bundle while the log's answer is not known.
        package let prepared: Evidence.Prepared
        /// The bundle with its log entry.
        package let bundle: [UInt8]?
        package let begunAt: Date
    }

    /// The head of the chain now; nil before the first row.
    package func head() async throws(QueueError) -> (position: Int64, hash: [UInt8])? {
        try await pool.rows("SELECT position, hash FROM countersign.audit ORDER BY position DESC LIMIT 1").values {
            row in
            (position: try row.decode("position", as: Int64.self), hash: try row.decode("hash", as: [UInt8].self))
        }.first
    }

    /// The latest anchor that was not put aside.
    package func latest() async throws(QueueError) -> Anchor? {
        try await pool.rows("\(unescaped: Self.columns) ORDER BY a.id DESC LIMIT 1").values(Anchor.init).first
    }

    /// Every one that is in a log, oldest first.
    package func logged() async throws(QueueError) -> [Anchor] {
        try await pool.rows("\(unescaped: Self.columns) AND e.logged_at IS NOT NULL ORDER BY a.id").values(Anchor.init)
    }

    /// The positions of those that were put aside although they had counted as logged. No daemon does that: what a log took
    /// and never verifies is put aside in the statement that records the entry, without a bundle.
    func hidden() async throws(QueueError) -> [Int64] {
        try await pool.rows(
            """
            SELECT a.position FROM countersign.audit_anchor a JOIN countersign.evidence e ON e.id = a.evidence_id
            WHERE e.abandoned_at IS NOT NULL AND (e.bundle IS NOT NULL OR e.logged_at < e.abandoned_at)
            ORDER BY a.id
            """
        ).values { try $0.decode("position", as: Int64.self) }
    }

    /// The first row after that one, and for how long after it daemons showed themselves, or rows were written; nil if there is
    /// none. Not until now: no head is due of a dump that was put away, or while no daemon is at work.
    func row(after position: Int64) async throws(QueueError) -> (position: Int64, age: Duration)? {
        try await pool.rows(
            """
            SELECT position, greatest((SELECT max(at) FROM countersign.audit),
                (SELECT max(seen_at) FROM countersign.worker)) - at AS age
            FROM countersign.audit WHERE position > \(position) ORDER BY position LIMIT 1
            """
        ).values { row in
            (position: try row.decode("position", as: Int64.self), age: try row.decode("age", as: Duration.self))
        }.first
    }

    /// How long ago, by the database's clock, the latest anchor was begun; nil if there is none.
    package func age() async throws(QueueError) -> Duration? {
        try await pool.rows(
            """
            SELECT now() - max(a.begun_at) AS age FROM countersign.audit_anchor a
            JOIN countersign.evidence e ON e.id = a.evidence_id WHERE e.abandoned_at IS NULL
            """
        ).values { try $0.decode("age", as: Duration?.self) }.first ?? nil
    }

    /// Commits what is about to be logged, unless another daemon was faster since `known`.
    /// - Returns: the anchor that stands now; go on with that one and forget the rest.
    package func prepare(
        _ prepared: Evidence.Prepared, position: Int64, head: [UInt8], since known: Int64?
    ) async throws(QueueError) -> Anchor {
        let signer = prepared.signer
        let stored = try await pool.together { session -> Anchor? in
            _ = try session.query("SELECT pg_advisory_xact_lock(hashtextextended('countersign.audit_anchor', 0))")
            let latest = try session.query("\(unescaped: Self.columns) ORDER BY a.id DESC LIMIT 1").map(Anchor.init)
                .first
            if let latest, latest.id != known { return latest }
            _ = try session.execute(
                """
                WITH made AS (
                    INSERT INTO countersign.evidence (format, payload, signature, certificate_chain, certificate_not_after,
                        timestamp_token, further_timestamps, log, log_request, identity, issuer)
                    VALUES ('bundle', \(prepared.payload), \(prepared.signature), \(prepared.certificateChain)::bytea[],
                        \(prepared.certificateNotAfter), \(prepared.timestamps.first),
                        \(Array(prepared.timestamps.dropFirst()))::bytea[], \(prepared.log)::text, \(prepared.logRequest),
                        \(signer?.identity)::text, \(signer?.issuer)::text)
                    RETURNING id)
                INSERT INTO countersign.audit_anchor (position, head, evidence_id)
                SELECT \(position), \(head), id FROM made
                """)
            return try session.query("\(unescaped: Self.columns) ORDER BY a.id DESC LIMIT 1").map(Anchor.init).first
        }
        guard let stored else { throw .unreadable(table: "audit_anchor", what: "the row just written") }
        return stored
    }

    /// Commits the log's answer.
    package func log(_ logged: Evidence.Logged, of anchor: Anchor) async throws(QueueError) {
        _ = try await pool.rows(
            """
            UPDATE countersign.evidence
            SET logged_at = now(), log_entry = \(logged.entry), log_id = \(logged.logID)::text,
                log_index = \(logged.logIndex), log_uuid = \(logged.logUUID)::text,
                integrated_at = \(logged.integratedAt), bundle = \(logged.bundle), logged_whole = true
            WHERE id = \(anchor.evidenceID) AND logged_at IS NULL AND abandoned_at IS NULL
            """)
    }

    /// What time it is for every row in these tables.
    func databaseNow() async throws(QueueError) -> Date {
        try await pool.databaseNow()
    }

    /// Notes that the log was asked and has no entry.
    /// - Returns: when that was found first, by the database's clock: now, unless it was before.
    func noteMissing(_ anchor: Anchor) async throws(QueueError) -> Date {
        let rows = try await pool.rows(
            """
            UPDATE countersign.evidence SET first_missed_at = coalesce(first_missed_at, clock_timestamp())
            WHERE id = \(anchor.evidenceID) AND logged_at IS NULL AND abandoned_at IS NULL RETURNING first_missed_at
            """)
        if let missed = try rows.values({ try $0.decode("first_missed_at", as: Date.self) }).first { return missed }
        // somebody else put it aside, or found its entry: the next look is at what stands then
        return try await databaseNow()
    }

    /// Puts an anchor aside: the log never took it and will not any more, or its entry can never verify.
    /// - Parameter entry: what the log did take; whoever watches the log finds it explained by this row.
    package func abandon(
        _ anchor: Anchor, reason: String, entry: Evidence.Logged? = nil
    ) async throws(QueueError) {
        _ = try await pool.rows(
            """
            UPDATE countersign.evidence
            SET abandoned_at = now(), abandon_reason = \(Failure.printable(reason, limit: 2_000))::text,
                logged_at = CASE WHEN \(entry?.entry)::bytea IS NOT NULL THEN now() END,
                log_entry = \(entry?.entry)::bytea, log_id = \(entry?.logID)::text,
                log_index = \(entry?.logIndex)::bigint, log_uuid = \(entry?.logUUID)::text,
                integrated_at = \(entry?.integratedAt)::timestamptz
            WHERE id = \(anchor.evidenceID) AND logged_at IS NULL AND abandoned_at IS NULL
            """)
    }

    private static let columns: StaticString = """
        SELECT a.id, a.position, a.head, a.evidence_id, a.begun_at, e.payload, e.signature, e.certificate_chain,
            e.certificate_not_after, e.timestamp_token, e.further_timestamps, e.log, e.log_request, e.bundle
        FROM countersign.audit_anchor a JOIN countersign.evidence e ON e.id = a.evidence_id
        WHERE e.abandoned_at IS NULL
        """
}

extension AuditAnchors.Anchor {
    fileprivate init(_ row: Row) throws {
        id = try row.decode("id")
        position = try row.decode("position")
        head = try row.decode("head")
        evidenceID = try row.decode("evidence_id")
        begunAt = try row.decode("begun_at")
        bundle = try row.decode("bundle")
        prepared = Evidence.Prepared(
            payload: try row.decode("payload"), signature: try row.decode("signature"),
            certificateChain: try row.decode("certificate_chain"),
            certificateNotAfter: try row.decode("certificate_not_after"),
            timestamps: try Evidence.timestamps(row), log: try row.decode("log"),
            logRequest: try row.decode("log_request"))
    }
}
