package import FoundationEssentials
package import OCI
package import Postgres

/// An entry that a log gave us, as our tables have it.
package struct LogEntryRecord: Sendable {
    /// What it was signed for: one for a push, several for a group, none for a head of the audit log.
    package struct Subject: Sendable {
        package let repository: Repository
        package let digest: Digest
        /// `signature`, or the predicate type and document of an attestation.
        package let purpose: Purpose
        package let state: TargetState
        /// What carries it in the registry; nil if it was never rendered.
        package let attachment: Digest?
    }

    package let id: Int64
    package let format: SignatureFormat
    /// The log's URL.
    package let log: String
    /// 64 hex digits.
    package let logID: String
    package let logIndex: Int64
    package let logUUID: String?
    package let integratedAt: Date?
    /// When the log's answer was recorded, by the database's clock.
    package let loggedAt: Date
    /// nil where a managed key signed.
    package let identity: String?
    package let issuer: String?
    /// When it was put aside and why; nil while it is what we publish.
    package let abandoned: (at: Date, reason: String)?
    /// The entry in the form that the `Sigstore` module encodes and decodes.
    package let entry: [UInt8]
    package var subjects: [Subject]
    /// The position in the audit log whose head was signed; nil for what was signed for artifacts.
    package let auditPosition: Int64?

    /// What a holder of that scope may see of it; nil if that is nothing. A head of the audit log is about everything.
    package func within(_ scope: TokenScope?) -> LogEntryRecord? {
        guard let scope else { return self }
        var seen = self
        seen.subjects = subjects.filter { scope.allows($0.repository) && scope.allows($0.purpose) }
        return seen.subjects.isEmpty ? nil : seen
    }
}

/// Our entries in the logs, live and put aside: whoever watches a log for our identity finds each of them explained here.
package struct LogEntryRecords: Sendable {
    /// Beyond so many a count is not finished: it would read the table for as long as it is.
    package static let countLimit = 10_000

    private let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// What is searched for; everything that is set must hold.
    package struct Filter: Sendable {
        /// The certificate's subject alternative name, exactly; `key:` and a hint for a managed key.
        package var identity: String?
        package var issuer: String?
        /// The artifact that was signed, or that an attestation is about.
        package var digest: Digest?
        package var repository: Repository?
        /// The predicate type URIs that the reader may see, beside signatures; nil: all.
        package var types: [String]?
        /// A log's URL, or its id in hex.
        package var log: String?
        package var index: Int64?
        /// 80 hex digits, or the 64 of the leaf's hash.
        package var uuid: String?
        /// When the log's answer was recorded: from, included, and until, excluded.
        package var from: Date?
        package var until: Date?

        package init() {}
    }

    /// Entries, newest first.
    /// - Parameters:
    ///   - before: ``Page/next`` of the page before.
    ///   - limit: 1…500.
    package func entries(
        _ filter: Filter, before: Int64? = nil, limit: Int = 100
    ) async throws(QueueError) -> Page<LogEntryRecord> {
        let limit = min(max(limit, 1), 500)
        return Page(try await select(Self.page(filter, before: before, limit: limit)), limit: limit, id: \.id)
    }

    /// No index of `evidence` knows the log, and to build one would keep signing waiting for as long as that table is. So in a log
    /// that is a further one its rows are read as far back as a full page of further entries goes.
    static func page(_ filter: Filter, before: Int64?, limit: Int) -> Query {
        let asked: Query = "e.id < coalesce(\(before)::bigint, 9223372036854775807) AND \(filter.condition)"
        var oldest: Query = ""
        if filter.log != nil {
            oldest = """
                AND e.id >= coalesce((SELECT e.id FROM countersign.further_entry e WHERE \(asked)
                    ORDER BY e.id DESC OFFSET \(Int64(limit - 1)) LIMIT 1), 0)
                """
        }
        return "SELECT e.* FROM \(all) e WHERE \(asked) \(oldest) ORDER BY e.id DESC LIMIT \(Int64(limit))"
    }

    /// One entry by our own number for it.
    package func entry(_ id: Int64) async throws(QueueError) -> LogEntryRecord? {
        try await select("SELECT e.* FROM \(Self.all) e WHERE e.id = \(id) AND e.log_index IS NOT NULL").first
    }

    /// How many there are, counted to ``countLimit`` and one more.
    package func count(_ filter: Filter) async throws(QueueError) -> Int {
        let rows = try await pool.rows(
            """
            SELECT count(*) AS count FROM (
                SELECT 1 FROM \(Self.all) e WHERE \(filter.condition) LIMIT \(Int64(Self.countLimit + 1))) AS found
            """)
        return Int(try rows.values { try $0.decode("count", as: Int64.self) }.first ?? 0)
    }

    /// Every entry, also one that is not in its log yet: those that evidence has in further logs, and that of its row. Without a
    /// condition of their own, so that whatever is asked of both reads the indexes of each. The further ones first: a count may be
    /// at its limit with them.
    private static var all: Query {
        """
        (SELECT id, evidence_id, log, log_id, log_index, log_uuid, integrated_at, logged_at, log_entry, identity, issuer
        FROM countersign.further_entry
        UNION ALL
        SELECT id, id AS evidence_id, log, log_id, log_index, log_uuid, integrated_at, logged_at, log_entry, identity, issuer
        FROM countersign.evidence)
        """
    }

    private func select(_ entries: Query) async throws(QueueError) -> [LogEntryRecord] {
        let rows = try await pool.rows(
            """
            WITH e AS (\(entries))
            SELECT e.id, v.format, e.log, e.log_id, e.log_index, e.log_uuid, e.integrated_at, e.logged_at, e.log_entry,
                coalesce(e.identity, t.identity) AS identity, coalesce(e.issuer, t.issuer) AS issuer, v.abandoned_at,
                v.abandon_reason, t.digest, t.purpose, t.state, r.registry, r.name, a.digest AS attachment,
                (SELECT h.position FROM countersign.audit_anchor h WHERE h.evidence_id = v.id) AS audit_position
            FROM e
            JOIN countersign.evidence v ON v.id = e.evidence_id
            LEFT JOIN countersign.evidence_target l ON l.evidence_id = v.id
            LEFT JOIN countersign.target t ON t.id = l.target_id
            LEFT JOIN countersign.repository r ON r.id = t.repository_id
            LEFT JOIN countersign.attachment a ON a.evidence_id = l.evidence_id AND a.target_id = l.target_id
            ORDER BY e.id DESC, t.id
            """
        ).values(LogEntryRecord.init)
        // an envelope that covers several targets comes in as many rows, one after the other
        return rows.reduce(into: []) { entries, row in
            if entries.last?.id == row.id {
                entries[entries.count - 1].subjects += row.subjects
            } else {
                entries.append(row)
            }
        }
    }
}

extension LogEntryRecords.Filter {
    /// Over the entries `e`.
    fileprivate var condition: Query {
        var condition: Query = "e.log_index IS NOT NULL"
        func demand(_ more: Query) { condition = "\(condition) AND \(more)" }
        // a managed key has no certificate whose name the evidence could hold: the target has its hint
        if let identity, !identity.hasPrefix("key:") { demand("e.identity = \(identity)::text") }
        if let issuer { demand("e.issuer = \(issuer)::text") }
        // no URL is 64 hex digits, and either has its index
        if let log { demand(Self.isLogID(log) ? "e.log_id = \(log)::text" : "e.log = \(log)::text") }
        if let index { demand("e.log_index = \(index)") }
        if let uuid {
            demand("right(e.log_uuid, 64) = right(\(uuid)::text, 64) AND e.log_uuid LIKE '%' || \(uuid)::text")
        }
        if let from { demand("e.logged_at >= \(from)") }
        if let until { demand("e.logged_at < \(until)") }
        if let about = subjectCondition {
            demand(
                """
                e.evidence_id IN (SELECT l.evidence_id FROM countersign.target t
                    JOIN countersign.repository r ON r.id = t.repository_id
                    JOIN countersign.evidence_target l ON l.target_id = t.id WHERE \(about))
                """)
        }
        return condition
    }

    private static func isLogID(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// Over `countersign.target t` and its repository `r`.
    private var subjectCondition: Query? {
        var conditions: [Query] = []
        if let digest { conditions.append("t.digest = \(digest.description)::text") }
        if let repository {
            conditions.append("r.registry = \(repository.registry)::text AND r.name = \(repository.name)::text")
        }
        if let types {
            conditions.append(
                """
                (t.purpose = \(Purpose.signature.rawValue)::text
                    OR split_part(t.purpose, ' ', 3) = ANY(\(types)::text[]))
                """)
        }
        if let identity, identity.hasPrefix("key:") { conditions.append("t.identity = \(identity)::text") }
        guard let first = conditions.first else { return nil }
        return conditions.dropFirst().reduce(first) { "\($0) AND \($1)" }
    }
}

extension LogEntryRecord {
    fileprivate init(_ row: Row) throws {
        guard let format = SignatureFormat(rawValue: try row.decode("format")) else {
            throw QueueError.unreadable(table: "evidence", what: "format")
        }
        let abandonedAt: Date? = try row.decode("abandoned_at")
        self.init(
            id: try row.decode("id"), format: format, log: try row.decode("log"), logID: try row.decode("log_id"),
            logIndex: try row.decode("log_index"), logUUID: try row.decode("log_uuid"),
            integratedAt: try row.decode("integrated_at"), loggedAt: try row.decode("logged_at"),
            identity: try row.decode("identity"), issuer: try row.decode("issuer"),
            abandoned: try abandonedAt.map { ($0, try row.decode("abandon_reason")) },
            entry: try row.decode("log_entry"),
            subjects: try Subject(row).map { [$0] } ?? [], auditPosition: try row.decode("audit_position"))
    }
}

extension LogEntryRecord.Subject {
    /// nil where the entry is about no artifact.
    fileprivate init?(_ row: Row) throws {
        guard let digest = try row.decode("digest", as: String?.self) else { return nil }
        guard let state = TargetState(rawValue: try row.decode("state")) else {
            throw QueueError.unreadable(table: "target", what: "state")
        }
        let attachment: String? = try row.decode("attachment")
        self.init(
            repository: try Repository(registry: try row.decode("registry"), name: try row.decode("name")),
            digest: try Digest(digest), purpose: Purpose(rawValue: try row.decode("purpose")), state: state,
            attachment: try attachment.map { try Digest($0) })
    }
}
