import FoundationEssentials
import OCI
import OpenSSL
package import Postgres

/// Batches and their members, as they are stored.
package struct BatchRecords: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// What became of a request for a batch.
    package enum Storing: Sendable, Equatable {
        case stored(Batch)
        /// The same request came before, under the same key.
        case known(Batch)
        /// Another request has this key.
        case keyReused
    }

    /// Who asks, under which key, with which bytes.
    package struct Origin: Sendable {
        package let principal: APITokens.Principal
        /// Of the caller's choosing: a request that is repeated under it is the same batch.
        package let key: String
        /// SHA-256 of what was asked, whole.
        package let fingerprint: [UInt8]

        package init(principal: APITokens.Principal, key: String, fingerprint: [UInt8]) {
            self.principal = principal
            self.key = key
            self.fingerprint = fingerprint
        }
    }

    /// Stores a batch with all its members and its audit row in one commit: when this returns, no crash loses any of it.
    ///
    /// - Parameters:
    ///   - selector: the selector as it was asked, where `subjects` came of one.
    ///   - needsApproval: it is proposed then, and waits for ``approve(_:by:)``.
    package func store(
        _ subjects: [BatchSubject], _ request: BatchRequest, selector: String?, needsApproval: Bool = false,
        from origin: Origin
    ) async throws(QueueError) -> Storing {
        try await pool.together { session in
            if let known = try Self.earlier(origin, in: session) { return known }
            let made = try session.query(
                """
                INSERT INTO countersign.batch (action, token_id, token_name, person, idempotency_key, request_sha256,
                    selector, formats, reason, old, members, max_subjects, across_repositories, rate, needs_approval, state)
                VALUES (\(request.action.name)::text, \(origin.principal.tokenID), \(origin.principal.name)::text,
                    \(origin.principal.person)::text, \(origin.key)::text, \(origin.fingerprint), \(selector)::text,
                    \(request.formats?.map(\.rawValue))::text[], \(request.reason)::text,
                    \(request.action.old?.rawValue)::text, \(Int32(subjects.count)),
                    \(request.grouping.map { Int32($0.maxSubjects) })::int, \(request.grouping?.acrossRepositories ?? false),
                    \(request.rate.map(Int32.init))::int, \(needsApproval),
                    \((needsApproval ? Batch.State.proposed : .running).rawValue)::text)
                ON CONFLICT DO NOTHING
                RETURNING id
                """)
            guard let id: Int64 = try made.first?.decode("id") else {
                // the same key at the same moment: the other one was faster
                guard let known = try Self.earlier(origin, in: session) else {
                    throw QueueError.unreadable(table: "batch", what: "the row with this key")
                }
                return known
            }
            _ = try session.execute(
                """
                INSERT INTO countersign.batch_member (batch_id, ordinal, registry, repository, tag, digest)
                SELECT \(id), m.n - 1, m.registry, m.repository, m.tag, m.digest
                FROM unnest(\(subjects.map(\.repository.registry))::text[], \(subjects.map(\.repository.name))::text[],
                    \(subjects.map(\.tag))::text[], \(subjects.map { $0.digest?.description })::text[])
                WITH ORDINALITY AS m(registry, repository, tag, digest, n)
                """)
            guard let batch = try Self.batch(id, in: session) else {
                throw QueueError.unreadable(table: "batch", what: "the row just written")
            }
            var entry = AuditLog.Entry(action: "batch.\(request.action.name)", by: origin.principal)
            entry.subject = "batch \(id)"
            entry.detail = (needsApproval ? "needs an approval; " : "") + batch.asked(as: origin.fingerprint)
            try AuditLog.append(entry, in: session)
            return .stored(batch)
        }
    }

    /// The batch that this caller asked for under this key before; `nil` when there is none.
    package func earlier(_ origin: Origin) async throws(QueueError) -> Storing? {
        try await pool.together { session in try Self.earlier(origin, in: session) }
    }

    private static func earlier(_ origin: Origin, in session: Session) throws -> Storing? {
        let row = try session.query(
            """
            SELECT id, request_sha256 FROM countersign.batch
            WHERE token_id IS NOT DISTINCT FROM \(origin.principal.tokenID)::bigint
                AND token_name = \(origin.principal.name)::text AND idempotency_key = \(origin.key)::text
            """
        ).first
        guard let row else { return nil }
        guard try row.decode("request_sha256", as: [UInt8].self) == origin.fingerprint else { return .keyReused }
        return try batch(row.decode("id"), in: session).map(Storing.known)
    }

    /// One batch; `nil` if there is none of that id (any more).
    /// - Parameter owner: who must have asked for it; nil: whoever did.
    package func batch(_ id: Int64, of owner: APITokens.Principal? = nil) async throws(QueueError) -> Batch? {
        try await pool.rows(
            "SELECT \(unescaped: Self.columns) FROM countersign.batch WHERE id = \(id) AND \(Self.isAsked(by: owner))"
        ).values(Batch.init).first
    }

    /// The repositories that each of these batches is about.
    func repositories(of batches: [Int64]) async throws(QueueError) -> [Int64: [Repository]] {
        let rows = try await pool.rows(
            """
            SELECT DISTINCT batch_id, registry, repository FROM countersign.batch_member
            WHERE batch_id = ANY(\(batches)::bigint[])
            """
        ).values { row in
            (
                batch: try row.decode("batch_id", as: Int64.self),
                repository: try Repository(
                    registry: try row.decode("registry"), name: try row.decode("repository"))
            )
        }
        return Dictionary(grouping: rows, by: \.batch).mapValues { $0.map(\.repository) }
    }

    private static func isAsked(by owner: APITokens.Principal?) -> Query {
        guard let owner else { return "true" }
        return "token_id IS NOT DISTINCT FROM \(owner.tokenID)::bigint AND token_name = \(owner.name)::text"
    }

    static func batch(_ id: Int64, in session: Session) throws -> Batch? {
        try session.query("SELECT \(unescaped: columns) FROM countersign.batch WHERE id = \(id)").first.map(Batch.init)
    }

    /// Newest first.
    /// - Parameter owner: only what it asked for.
    package func batches(
        of owner: APITokens.Principal? = nil, before: Int64? = nil, limit: Int = 50
    ) async throws(QueueError) -> Page<Batch> {
        let limit = min(max(limit, 1), 500)
        let batches = try await pool.rows(
            """
            SELECT \(unescaped: Self.columns) FROM countersign.batch
            WHERE id < coalesce(\(before)::bigint, 9223372036854775807) AND \(Self.isAsked(by: owner))
            ORDER BY id DESC LIMIT \(limit)::int
            """
        ).values(Batch.init)
        return Page(batches, limit: limit, id: \.id)
    }

    static let columns: StaticString = """
        id, action, state, token_name, selector, formats, reason, old, members, created_at, started_at, ended_at,
        max_subjects, across_repositories, rate, error::text AS error, approved_by, approved_at
        """
}

extension BatchRecords {
    /// Where the members stand now. Those that ended are read from their own row; only the others need their target's.
    package func progress(of batch: Int64) async throws(QueueError) -> BatchProgress {
        let rows = try await pool.rows(
            """
            SELECT \(unescaped: Self.memberState) AS state, count(*) AS members,
                count(*) FILTER (WHERE m.ended_at > greatest(b.started_at, now() - interval '1 minute')) AS recent,
                least(60, extract(epoch FROM now() - min(b.started_at)))::float8 AS seconds
            FROM countersign.batch b
            JOIN countersign.batch_member m ON m.batch_id = b.id
            LEFT JOIN countersign.target t ON t.id = m.target_id AND m.result IS NULL
            WHERE b.id = \(batch) GROUP BY 1
            """
        ).values { row in
            guard let state = BatchMember.State(rawValue: try row.decode("state")) else {
                throw QueueError.unreadable(table: "batch_member", what: "state")
            }
            return (
                state: state, members: Int(try row.decode("members", as: Int64.self)),
                recent: Int(try row.decode("recent", as: Int64.self)),
                seconds: try row.decode("seconds", as: Double.self)
            )
        }
        let targets = try await pool.rows(
            """
            SELECT count(DISTINCT target_id) AS targets FROM countersign.batch_member
            WHERE batch_id = \(batch) AND target_id IS NOT NULL
            """
        ).values { Int(try $0.decode("targets", as: Int64.self)) }.first
        let recent = rows.reduce(0) { $0 + $1.recent }
        return BatchProgress(
            counts: Dictionary(rows.map { ($0.state, $0.members) }) { $0 + $1 }, targets: targets ?? 0,
            rate: recent > 0 ? Double(recent) / max(rows.first?.seconds ?? 1, 1) : nil)
    }

    /// Members in their order.
    /// - Parameters:
    ///   - after: the ordinal of the last one seen.
    ///   - limit: 1…1,000.
    package func members(
        of batch: Int64, state: BatchMember.State? = nil, after: Int32? = nil, limit: Int = 100
    ) async throws(QueueError) -> [BatchMember] {
        try await pool.rows(
            """
            SELECT * FROM (
                SELECT m.ordinal, m.registry, m.repository, m.tag, m.digest, m.is_new, m.ended_at, m.alone::text AS alone,
                    \(unescaped: Self.memberState) AS state,
                    CASE WHEN m.result IS NULL THEN coalesce(t.last_error, m.error) ELSE m.error END::text AS error
                FROM countersign.batch_member m
                LEFT JOIN countersign.target t ON t.id = m.target_id AND m.result IS NULL
                WHERE m.batch_id = \(batch) AND m.ordinal > coalesce(\(after)::int, -1)) AS shown
            WHERE \(state?.rawValue)::text IS NULL OR state = \(state?.rawValue)::text
            ORDER BY ordinal LIMIT \(min(max(limit, 1), 1_000))::int
            """
        ).values(BatchMember.init)
    }

    /// A target that has ended and whose job has not is looked at again.
    private static let memberState: StaticString = """
        CASE WHEN m.result IS NOT NULL THEN m.result WHEN m.target_id IS NULL THEN 'pending'
            WHEN t.state IN ('queued', 'signing', 'waiting') THEN t.state ELSE 'signing' END
        """
}

extension Batch {
    /// What the audit log keeps of it, when it and its members are long forgotten. A selector and a reason may be longer than
    /// a row has room for; the fingerprint is of all that was asked.
    func asked(as fingerprint: [UInt8]) -> String {
        "\(members) references, request sha256:\(Hex.encode(fingerprint))"
            + (action.old.map { ", old: \($0.rawValue)" } ?? "")
            + (formats.map { ", formats: \($0.map(\.rawValue).joined(separator: " "))" } ?? "")
            + (selector.map { "; selector: \($0.recorded(400))" } ?? "") + (reason.map { "; reason: \($0)" } ?? "")
    }
}

extension Batch.Action {
    var old: Batch.OldSignatures? { if case .resign(let old) = self { old } else { nil } }
}

extension Batch {
    init(_ row: Row) throws {
        guard let state = State(rawValue: try row.decode("state")) else {
            throw QueueError.unreadable(table: "batch", what: "state")
        }
        let action: Action
        if let old = try row.decode("old", as: String?.self) {
            action = .resign(OldSignatures(rawValue: old) ?? .keep)
        } else {
            action = .sign
        }
        var grouping: Grouping?
        if let most: Int32 = try row.decode("max_subjects") {
            grouping = Grouping(maxSubjects: Int(most), acrossRepositories: try row.decode("across_repositories"))
        }
        self.init(
            id: try row.decode("id"), action: action, state: state, requestedBy: try row.decode("token_name"),
            selector: try row.decode("selector"),
            formats: try row.decode("formats", as: [String]?.self)?.compactMap(SignatureFormat.init),
            reason: try row.decode("reason"), grouping: grouping,
            rate: try row.decode("rate", as: Int32?.self).map(Int.init),
            error: try row.decode("error", as: String?.self).map(Failure.init(json:)),
            approval: try row.decode("approved_by", as: String?.self).map {
                Approval(by: $0, at: try row.decode("approved_at"))
            },
            members: Int(try row.decode("members", as: Int32.self)),
            createdAt: try row.decode("created_at"), startedAt: try row.decode("started_at"),
            endedAt: try row.decode("ended_at"))
    }
}

extension BatchMember {
    fileprivate init(_ row: Row) throws {
        guard let state = State(rawValue: try row.decode("state")) else {
            throw QueueError.unreadable(table: "batch_member", what: "state")
        }
        self.init(
            ordinal: try row.decode("ordinal"),
            repository: try Repository(registry: try row.decode("registry"), name: try row.decode("repository")),
            tag: try row.decode("tag"), digest: try row.decode("digest", as: String?.self).map { try Digest($0) },
            state: state, isNew: try row.decode("is_new"),
            alone: try row.decode("alone", as: String?.self).map(Failure.init(json:)),
            error: try row.decode("error", as: String?.self).map(Failure.init(json:)),
            endedAt: try row.decode("ended_at"))
    }
}
