import FoundationEssentials
package import Logging
import OCI
package import Postgres

/// Alerts: raised once for each cause, seen and acknowledged by operators, ended by themselves when the cause is gone. Rows stay
/// as a record.
package struct Alerts: Sendable {
    let pool: ConnectionPool
    private let logger: Logger

    package init(pool: ConnectionPool, logger: Logger) {
        self.pool = pool
        self.logger = logger
    }

    /// Raises an alert, unless one of its key stands already; then only its count goes up. With it comes one line in the log and
    /// one row in the audit log.
    /// - Returns: whether it is new.
    @discardableResult
    package func raise(_ alert: Alert) async throws(QueueError) -> Bool {
        let isNew = try await pool.together { session in try Self.raise(alert, in: session) }
        if isNew { tell(alert) }
        return isNew
    }

    /// The same inside a transaction that does more. Last in it, because the audit log is. Call ``tell(_:)`` after the commit if
    /// it is new.
    static func raise(_ alert: Alert, in session: Session) throws -> Bool {
        let facts = String(decoding: try JSONEncoder.facts.encode(alert.facts), as: UTF8.self)
        let rows = try session.query(
            """
            INSERT INTO countersign.alert AS a (key, code, repository_id, digest, observed, fix, facts)
            SELECT \(alert.key)::text, \(alert.code.rawValue)::text,
                (SELECT id FROM countersign.repository WHERE registry = \(alert.repository?.registry)::text
                    AND name = \(alert.repository?.name)::text),
                \(alert.digest?.description)::text, \(alert.observed)::text, \(alert.fix)::text, \(facts)::text::jsonb
            ON CONFLICT (key) WHERE ended_at IS NULL DO UPDATE SET seen_at = now(), times = a.times + 1,
                observed = excluded.observed
            RETURNING id, times
            """)
        guard let row = rows.first, try row.decode("times", as: Int32.self) == 1 else { return false }
        var act = AuditLog.Entry(action: "alert.raise", byDaemon: ())
        act.repository = alert.repository?.description
        act.subject = alert.digest?.description
        act.type = alert.purpose?.predicateType
        act.code = alert.code.rawValue
        act.detail = "alert \(try row.decode("id", as: Int64.self)): \(alert.observed)"
        try AuditLog.append(act, in: session)
        return true
    }

    /// Says of what stands what is known by now, unless somebody has acknowledged what it said.
    static func amend(_ alert: Alert, in session: Session) throws {
        _ = try session.execute(
            """
            UPDATE countersign.alert SET observed = \(alert.observed)::text, fix = \(alert.fix)::text
            WHERE key = \(alert.key)::text AND ended_at IS NULL AND acknowledged_at IS NULL
                AND observed <> \(alert.observed)::text
            """)
    }

    /// The line in the log, under the alert's code.
    func tell(_ alert: Alert) {
        var metadata: Logger.Metadata = [
            "alert": "\(alert.code.rawValue)", "error.code": "\(alert.code.rawValue)", "error": "\(alert.observed)",
            "fix": "\(alert.fix)",
        ]
        metadata["repository"] = alert.repository.map { "\($0)" }
        metadata["artifact.digest"] = alert.digest.map { "\($0)" }
        logger.critical("alert", metadata: metadata)
    }

    /// Ends what stands of these codes about a subject: its cause is gone.
    package func end(_ codes: [Alert.Code], about subject: String) async throws(QueueError) {
        try await pool.together { session in try Self.end(codes, about: [subject], in: session) }
    }

    /// The same about several subjects, inside a transaction that does more.
    static func end(_ codes: [Alert.Code], about subjects: [String], in session: Session) throws {
        guard !subjects.isEmpty else { return }
        let keys = codes.flatMap { code in subjects.map { Alert(code, about: $0, observed: "", fix: "").key } }
        _ = try session.execute(
            "UPDATE countersign.alert SET ended_at = now() WHERE key = ANY(\(keys)::text[]) AND ended_at IS NULL")
    }

    /// What somebody said about an alert.
    package enum Acknowledgement: Sendable, Equatable {
        case acknowledged
        /// Before this; nothing changed.
        case before
        case unknown
    }

    /// Writes down that somebody has seen it, with the audit row.
    /// - Parameter note: what he found out; at most 1,000 characters.
    package func acknowledge(
        _ id: Int64, note: String?, by principal: APITokens.Principal
    ) async throws(QueueError) -> Acknowledgement {
        try await pool.together { session in
            let rows = try session.query(
                """
                UPDATE countersign.alert a SET acknowledged_at = now(), acknowledged_by = \(principal.name)::text,
                    note = \(note?.recorded(1_000))::text
                WHERE id = \(id) AND acknowledged_at IS NULL
                RETURNING a.code, a.digest, (SELECT r.registry || '/' || r.name FROM countersign.repository r
                    WHERE r.id = a.repository_id) AS repository,
                    (SELECT t.purpose FROM countersign.target t WHERE t.id = \(unescaped: Self.target)) AS purpose
                """)
            guard let row = rows.first else {
                let known = try session.query("SELECT id FROM countersign.alert WHERE id = \(id)")
                return known.isEmpty ? .unknown : .before
            }
            var act = AuditLog.Entry(action: "alert.acknowledge", by: principal)
            act.repository = try row.decode("repository")
            act.subject = try row.decode("digest")
            act.type = try row.decode("purpose", as: String?.self).map(Purpose.init(rawValue:))?.predicateType
            act.code = try row.decode("code")
            act.detail = "alert \(id)" + (note.map { ": \($0)" } ?? "")
            try AuditLog.append(act, in: session)
            return .acknowledged
        }
    }

    /// Alerts, the latest first.
    /// - Parameters:
    ///   - state: only those; nil: all.
    ///   - scope: of the token that asks: what is about other repositories or predicate types, or about none, is left out.
    ///   - before: ``Page/next`` of the page before.
    package func alerts(
        state: RaisedAlert.State? = nil, scope: TokenScope? = nil, before: Int64? = nil, limit: Int = 100
    ) async throws(QueueError) -> Page<RaisedAlert> {
        try await Gathering().page(
            before: before, limit: min(max(limit, 1), 500), cursor: \.id,
            item: { (alert: RaisedAlert) in
                guard state == nil || alert.state == state else { return nil }
                return scope.map(alert.isWithin) ?? true ? alert : nil
            },
            rows: { before, count throws(QueueError) in
                try await pool.rows(
                    """
                    \(Self.columns) WHERE a.id < coalesce(\(before)::bigint, 9223372036854775807)
                    ORDER BY a.id DESC LIMIT \(count)::int
                    """
                ).values(RaisedAlert.init)
            })
    }

    /// One alert; nil if there is none of that number.
    package func alert(_ id: Int64) async throws(QueueError) -> RaisedAlert? {
        try await pool.rows("\(Self.columns) WHERE a.id = \(id)").values(RaisedAlert.init).first
    }

    /// How many nobody has acknowledged, by code.
    package func open() async throws(QueueError) -> [String: Int] {
        let rows = try await pool.rows(
            """
            SELECT code, count(*) AS alerts FROM countersign.alert
            WHERE ended_at IS NULL AND acknowledged_at IS NULL GROUP BY code
            """
        ).values { (try $0.decode("code", as: String.self), Int(try $0.decode("alerts", as: Int64.self))) }
        return Dictionary(uniqueKeysWithValues: rows)
    }

    /// The target of alert `a`: what one of ``SignatureAlarm`` is about, within its code, is the number of that.
    private static let target: StaticString = """
        CASE WHEN substr(a.key, length(a.code) + 2) ~ '^[0-9]{1,18}$' THEN substr(a.key, length(a.code) + 2)::bigint END
        """

    private static let columns: Query = """
        SELECT a.id, a.code, r.registry, r.name, a.digest, t.purpose, a.observed, a.fix, a.facts::text AS facts, a.raised_at,
            a.seen_at, a.times, a.acknowledged_at, a.acknowledged_by, a.note, a.ended_at
        FROM countersign.alert a LEFT JOIN countersign.repository r ON r.id = a.repository_id
        LEFT JOIN countersign.target t ON t.id = \(unescaped: target)
        """
}

extension JSONEncoder {
    fileprivate static var facts: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}

extension ServiceMetrics {
    /// Asks for open alerts at each scrape: every code that is looked for has a series, so that an alarm can be set on it. What
    /// cannot be asked is absent, not old.
    /// - Parameter monitorsIdentities: whether `reconcile.identity_monitor` is on. While it is off, a 0 of what it alone looks for
    ///   would say that all is well, and nobody has looked.
    package func collectAlerts(from alerts: Alerts, monitorsIdentities: Bool) {
        let gauge = registry.gauge(
            "countersign_alerts_open", "Alerts that nobody has acknowledged, by code.", labels: ["code"])
        registry.collect {
            gauge.clear()
            guard let open = try? await alerts.open() else { return }
            for code in Alert.Code.allCases {
                let count = open[code.rawValue] ?? 0
                guard count > 0 || monitorsIdentities || !code.isOfIdentityMonitor else { continue }
                gauge.set(Double(count), code.rawValue)
            }
        }
    }
}
