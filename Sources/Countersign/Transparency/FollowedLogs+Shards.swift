import FoundationEssentials
import Postgres
import Sigstore

/// A log that the instance has replaced by another one: it is read to its end all the same.
struct ReplacedShard: Sendable {
    let url: String
    let api: RekorAPI
}

/// What becomes of a replaced log of which nothing could be read for a day.
enum LongSilence: Sendable {
    /// It was read to its end, and is asked no more.
    case letGo(since: Date)
    /// Something in it may never have been read: it is asked on. The alert is new.
    case told(Alert)
}

/// Which logs are followed beyond the time in which they are in use. Every daemon finds them here, also after a restart, when nobody
/// else knows of them any more.
extension FollowedLogs {
    /// How long a replaced log may be silent before it is taken for one that is switched off, by the database's clock: its operator
    /// has an outage now and then.
    private static let patience: Duration = .seconds(86_400)

    /// Notes of logs in use which the instance chose, and how they are asked. An end that was reached while a log is in use is none:
    /// entries come after it.
    func remember(_ chosen: [(log: String, api: RekorAPI)]) async throws(QueueError) {
        guard !chosen.isEmpty else { return }
        let chosen = chosen.sorted { $0.log < $1.log }
        try await pool.together { session in
            let changed = try session.query(
                """
                UPDATE countersign.followed_log l SET api_version = c.version, at_end = false, unanswered_since = NULL
                FROM unnest(\(chosen.map(\.log))::text[], \(chosen.map { Int32($0.api.version) })::int[]) AS c(log, version)
                WHERE l.log = c.log
                    AND (l.api_version IS DISTINCT FROM c.version OR l.at_end OR l.unanswered_since IS NOT NULL)
                RETURNING l.log
                """)
            try Alerts.end([.logUnread], about: try changed.map { try $0.decode("log") }, in: session)
        }
    }

    /// The chosen logs that are not in use any more, and not known to be switched off. Those of an API that only a newer daemon speaks
    /// are left to that one.
    func replaced(besides present: [String]) async throws(QueueError) -> [ReplacedShard] {
        try await pool.rows(
            """
            SELECT log, api_version::int AS version FROM countersign.followed_log
            WHERE api_version IS NOT NULL AND NOT log = ANY(\(present)::text[]) ORDER BY log
            """
        ).values { row -> ReplacedShard? in
            guard let api = try? RekorAPI(version: Int(row.decode("version", as: Int32.self))) else { return nil }
            return ReplacedShard(url: try row.decode("log"), api: api)
        }.compactMap(\.self)
    }

    /// A log says that it has more than was read. Until that is read it is not at its end, whatever it says later.
    func noteSize(_ size: Int64, of log: String) async throws(QueueError) {
        _ = try await pool.rows(
            """
            UPDATE countersign.followed_log SET known_size = greatest(known_size, \(size)::bigint), at_end = false
            WHERE log = \(log)::text AND (known_size < \(size)::bigint OR at_end)
            """)
    }

    /// A log that was replaced says that it has nothing more.
    /// - Returns: false where it said before that it has.
    func noteEnd(of log: String) async throws(QueueError) -> Bool {
        try await pool.together { session in
            let ended = try session.execute(
                """
                UPDATE countersign.followed_log SET at_end = true, unanswered_since = NULL
                WHERE log = \(log)::text AND next_index >= known_size AND (NOT at_end OR unanswered_since IS NOT NULL)
                """)
            if ended > 0 { try Alerts.end([.logUnread], about: [log], in: session) }
            return try session.query(
                "SELECT log FROM countersign.followed_log WHERE log = \(log)::text AND next_index < known_size"
            ).isEmpty
        }
    }

    /// Nothing could be read of a log that was replaced.
    /// - Parameter isAway: whether it is the log that does not answer. Else it counts only while entries are known to be unread.
    /// - Returns: what comes of it, once it has lasted.
    func noteSilence(of log: String, isAway: Bool) async throws(QueueError) -> LongSilence? {
        try await pool.together { session in
            let rows = try session.query(
                """
                UPDATE countersign.followed_log SET unanswered_since = coalesce(unanswered_since, now())
                WHERE log = \(log)::text AND api_version IS NOT NULL AND (\(isAway)::boolean OR next_index < known_size)
                RETURNING next_index, known_size, at_end, unanswered_since,
                    unanswered_since <= now() - \(Self.patience)::interval AS has_lasted
                """)
            guard let row = rows.first, try row.decode("has_lasted", as: Bool.self) else { return nil }
            guard try row.decode("at_end", as: Bool.self) else {
                let alert = try Alert(unread: log, row)
                return try Alerts.raise(alert, in: session) ? .told(alert) : nil
            }
            _ = try session.execute(
                "UPDATE countersign.followed_log SET api_version = NULL WHERE log = \(log)::text")
            return .letGo(since: try row.decode("unanswered_since"))
        }
    }
}

extension Alert {
    fileprivate init(unread log: String, _ row: Row) throws {
        let (next, size): (Int64, Int64) = (try row.decode("next_index"), try row.decode("known_size"))
        let since = try row.decode("unanswered_since", as: Date.self).formatted(.iso8601)
        self.init(
            .logUnread, about: log,
            observed: "nothing could be read of \(log) since \(since), which a new shard has replaced: "
                + (next < size
                    ? "its entries \(next) to \(size - 1) were never looked at"
                    : "what was entered in it from index \(next) on is not known"),
            fix:
                "see that it can be reached, and that its key is still trusted; else ask its operator for those entries. "
                + "It is asked on until it answers")
        facts = ["log": log, "next_index": "\(next)", "known_size": "\(size)", "unanswered_since": since]
    }
}
