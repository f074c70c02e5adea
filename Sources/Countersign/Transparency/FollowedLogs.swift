import FoundationEssentials
import OpenSSL
package import Postgres
import Sigstore

/// An entry under one of our identities.
struct FoundEntry: Sendable {
    let logID: String
    let index: Int64
    let signature: [UInt8]
    let identity: String
    let issuer: String
    /// For whoever has to find out whose it is.
    let facts: [String: String]

    init(_ entry: TlogEntry, signature: [UInt8], identity: WatchedIdentity, log: String) {
        let described = LogEntryDescription(entry, log: log)
        logID = described.logID
        index = entry.logIndex
        self.signature = signature
        (self.identity, issuer) = identity.names
        var facts = [
            "log": log, "log_id": described.logID, "log_index": "\(entry.logIndex)", "uuid": described.uuid,
            "kind": "\(described.kind) \(described.version)", "identity": self.identity, "issuer": issuer,
            "signature": Hex.encode(signature),
        ]
        facts["content"] = described.contents.first?.digest
        facts["integrated_time"] = described.integratedTime?.formatted(.iso8601)
        facts["certificate_serial"] = described.signers.first?.serial
        facts["certificate_not_before"] = described.signers.first?.notBefore?.formatted(.iso8601)
        self.facts = facts
    }
}

/// How far each log was read, and the entries under our identities that nothing explains yet.
package struct FollowedLogs: Sendable {
    let alerts: Alerts
    let pool: ConnectionPool
    private let turns: Turns

    package init(pool: ConnectionPool, turns: Turns, alerts: Alerts) {
        self.pool = pool
        self.turns = turns
        self.alerts = alerts
    }

    private static func turn(_ log: String) -> String { "log:\(log)" }

    /// Logs with something found in them that is not explained, or with an alert that may end.
    func suspectedLogs() async throws(QueueError) -> [String] {
        try await pool.rows(
            """
            SELECT log FROM countersign.suspected_entry
            UNION SELECT facts->>'log' FROM countersign.alert
                WHERE ended_at IS NULL AND code = \(Alert.Code.unknownEntry.rawValue)::text AND facts ? 'log'
            ORDER BY 1 LIMIT 100
            """
        ).values { try $0.decode("log") }
    }

    func takeTurn(_ log: String) async throws(QueueError) -> Bool { try await turns.take(Self.turn(log)) }

    /// Leaves the log to another daemon.
    func leaveTurn(_ log: String) async throws(QueueError) { try await turns.release(Self.turn(log)) }

    /// How long a turn is used before it is taken again.
    var renewal: Duration { turns.renewal }

    /// The next index to read; a log that was never followed is begun there, and one that takes the place of one that was followed at
    /// its first entry.
    /// - Parameters:
    ///   - present: the logs in use, where it may do so: one that was followed and is not among them was replaced.
    ///   - api: of a log that the instance chose; it is followed to its end also once another has taken its place.
    func place(
        in log: String, orBegin index: Int64, replacingOther present: [String]? = nil, api: RekorAPI? = nil
    ) async throws(QueueError) -> Int64 {
        let rows = try await pool.rows(
            """
            WITH begun AS (
                INSERT INTO countersign.followed_log (log, next_index, began_at, api_version)
                SELECT \(log)::text, b.index, b.index, \(api.map { Int32($0.version) })::int
                FROM (SELECT CASE WHEN EXISTS (SELECT FROM countersign.followed_log o
                    WHERE NOT o.log = ANY(\(present)::text[])) THEN 0 ELSE \(index)::bigint END AS index) AS b
                ON CONFLICT DO NOTHING RETURNING next_index)
            SELECT next_index FROM begun UNION ALL
            SELECT next_index FROM countersign.followed_log WHERE log = \(log)::text LIMIT 1
            """)
        return try rows.values { try $0.decode("next_index", as: Int64.self) }.first ?? index
    }

    /// Whether our records explain an entry with that signature. What we made does; what was adopted may be a thief's who put
    /// something of ours into his statement: it does once all is known that it is about. That is counted only of the latter.
    private static func explains(_ signature: Query) -> Query {
        "(\(made(signature)) OR \(unrecorded(signature)) <= 0)"
    }

    /// Whether we made it: signed or put aside, logged or about to be.
    private static func made(_ signature: Query) -> Query {
        "EXISTS (SELECT FROM countersign.evidence o WHERE o.signature = \(signature) AND o.log_request <> '')"
    }

    /// Of how many subjects of the statement with that signature, which was adopted, there is no record; NULL if it was not.
    private static func unrecorded(_ signature: Query) -> Query {
        """
        (SELECT max(o.subjects) - count(DISTINCT (t.repository_id, t.digest)) FROM countersign.evidence o
            JOIN countersign.evidence_target c ON c.evidence_id = o.id JOIN countersign.target t ON t.id = c.target_id
            WHERE o.signature = \(signature) AND o.log_request = '')
        """
    }

    /// Writes down that everything before `next` was read. What of it our records do not explain is suspected.
    /// - Returns: how many those are; nil where nothing was written: the turn was lost, or another daemon has read on.
    func advance(_ log: String, from start: Int64, to next: Int64, _ look: LookedAt) async throws(QueueError) -> Int? {
        let found = look.found
        return try await pool.together { session in
            guard try turns.holds(Self.turn(log), in: session) else { return nil }
            let known = try session.query(
                """
                SELECT s.signature FROM unnest(\(found.map(\.signature))::bytea[]) AS s(signature)
                WHERE \(Self.explains("(s.signature)"))
                """)
            let explained = Set(try known.map { try $0.decode("signature", as: [UInt8].self) })
            let unknown = found.filter { !explained.contains($0.signature) }
            let facts = try unknown.map { String(decoding: try JSONEncoder().encode($0.facts), as: UTF8.self) }
            let read = try session.execute(
                """
                UPDATE countersign.followed_log SET next_index = \(next), read_at = now(),
                    unanswered_since = CASE WHEN \(next > start)::boolean THEN NULL ELSE unanswered_since END,
                    entries = entries + \(next - start), ours = ours + \(Int64(found.count - unknown.count)),
                    unknown_kinds = unknown_kinds + \(Int64(look.unknownKinds)),
                    unreadable = unreadable + \(Int64(look.unreadable))
                WHERE log = \(log)::text AND next_index = \(start)
                """)
            guard read == 1 else { return nil }
            _ = try session.execute(
                """
                INSERT INTO countersign.suspected_entry (log, log_id, log_index, signature, identity, issuer, facts)
                SELECT \(log)::text, u.log_id, u.log_index, u.signature, u.identity, u.issuer, u.facts::jsonb
                FROM unnest(\(unknown.map(\.logID))::text[], \(unknown.map(\.index))::bigint[],
                    \(unknown.map(\.signature))::bytea[], \(unknown.map(\.identity))::text[],
                    \(unknown.map(\.issuer))::text[], \(facts)::text[])
                    AS u(log_id, log_index, signature, identity, issuer, facts)
                ON CONFLICT DO NOTHING
                """)
            return unknown.count
        }
    }

    /// What becomes an alert in one transaction; the rest at the next look.
    private static let judgedAtOnce = 500

    /// Drops suspicions, and ends alerts, that our records explain by now; raises an alert for what they did not explain within
    /// the grace.
    /// - Returns: the new alerts.
    func judgeSuspects(in log: String, after grace: Duration) async throws(QueueError) -> [Alert] {
        try await pool.together { session in
            guard try turns.holds(Self.turn(log), in: session) else { return [] }
            _ = try session.execute(
                """
                DELETE FROM countersign.suspected_entry s WHERE log = \(log)::text
                    AND \(Self.explains("(s.signature)"))
                """)
            let signature: Query = "decode(a.facts->>'signature', 'hex')"
            // what is explained by now ends; what was raised before some of it was adopted says how much is not
            let partly = try session.query(
                """
                WITH standing AS MATERIALIZED (
                    SELECT a.id, a.facts, \(Self.made(signature)) AS made, \(Self.unrecorded(signature)) AS unrecorded
                    FROM countersign.alert a
                    WHERE a.ended_at IS NULL AND a.code = \(Alert.Code.unknownEntry.rawValue)::text
                        AND a.facts->>'log' = \(log)::text),
                ended AS (
                    UPDATE countersign.alert a SET ended_at = now() FROM standing s
                    WHERE a.id = s.id AND a.ended_at IS NULL AND (s.made OR s.unrecorded <= 0))
                SELECT facts->>'log_id' AS log_id, (facts->>'log_index')::bigint AS log_index,
                    facts->>'identity' AS identity, facts->>'issuer' AS issuer, facts::text AS facts, unrecorded
                FROM standing WHERE NOT made AND unrecorded > 0
                """)
            for row in partly { try Alerts.amend(Alert(unknownEntry: row, in: log), in: session) }
            let ripe = try session.query(
                """
                DELETE FROM countersign.suspected_entry s
                WHERE log = \(log)::text AND log_index = ANY(ARRAY(SELECT log_index FROM countersign.suspected_entry
                    WHERE log = \(log)::text AND seen_at <= now() - \(grace)::interval
                    ORDER BY log_index LIMIT \(Self.judgedAtOnce)::int))
                RETURNING log_id, log_index, identity, issuer, facts::text AS facts,
                    \(Self.unrecorded("(s.signature)")) AS unrecorded
                """)
            var raised: [Alert] = []
            for row in ripe {
                let alert = try Alert(unknownEntry: row, in: log)
                if try Alerts.raise(alert, in: session) { raised.append(alert) }
            }
            return raised
        }
    }
}

extension Alert {
    fileprivate init(unknownEntry row: Row, in log: String) throws {
        let (logID, index): (String, Int64) = (try row.decode("log_id"), try row.decode("log_index"))
        let (identity, issuer): (String, String) = (try row.decode("identity"), try row.decode("issuer"))
        let whose = "entry \(index) of \(log) is signed as \(identity)\(issuer.isEmpty ? "" : " from \(issuer)")"
        let search =
            "find out who holds our token or key: revoke it, then look at what was signed (countersign log get --index "
            + "\(index)); acknowledge the alert if it was somebody of yours"
        if let unrecorded: Int64 = try row.decode("unrecorded", as: Int64?.self) {
            self.init(
                .unknownEntry, about: "\(logID):\(index)",
                observed:
                    "\(whose); it was adopted, and also covers \(unrecorded) subjects of which our records have nothing",
                fix:
                    "read the statement in the bundle (artifact.adopt in the audit log names the artifact): the alert ends once all "
                    + "that it names is adopted; where it is not a group of yours, \(search)")
        } else {
            self.init(
                .unknownEntry, about: "\(logID):\(index)", observed: "\(whose), and our records do not have it",
                fix: search)
        }
        facts = try JSONDecoder().decode(
            [String: String].self, from: Data(try row.decode("facts", as: String.self).utf8))
    }
}
