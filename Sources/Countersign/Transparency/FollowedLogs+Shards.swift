import Postgres
import Sigstore

/// A log that the instance has replaced by another one: it is read to its end all the same.
struct ReplacedShard: Sendable {
    let url: String
    let api: RekorAPI
    /// Whether it had nothing more when it was last read.
    let isAtEnd: Bool
}

/// Which logs are followed beyond the time in which they are in use. Every daemon finds them here, also after a restart, when nobody
/// else knows of them any more.
extension FollowedLogs {
    /// Notes of logs in use which the instance chose, and how they are asked.
    func remember(_ chosen: [(log: String, api: RekorAPI)]) async throws(QueueError) {
        guard !chosen.isEmpty else { return }
        let chosen = chosen.sorted { $0.log < $1.log }
        _ = try await pool.rows(
            """
            UPDATE countersign.followed_log l SET api_version = c.version
            FROM unnest(\(chosen.map(\.log))::text[], \(chosen.map { Int32($0.api.version) })::int[]) AS c(log, version)
            WHERE l.log = c.log AND l.api_version IS DISTINCT FROM c.version
            """)
    }

    /// The chosen logs that are not in use any more, and not known to be switched off. Those of an API that only a newer daemon speaks
    /// are left to that one.
    func replaced(besides present: [String]) async throws(QueueError) -> [ReplacedShard] {
        try await pool.rows(
            """
            SELECT log, api_version::int AS version, at_end FROM countersign.followed_log
            WHERE api_version IS NOT NULL AND NOT log = ANY(\(present)::text[]) ORDER BY log
            """
        ).values { row -> ReplacedShard? in
            guard let api = try? RekorAPI(version: Int(row.decode("version", as: Int32.self))) else { return nil }
            return ReplacedShard(url: try row.decode("log"), api: api, isAtEnd: try row.decode("at_end"))
        }.compactMap(\.self)
    }

    /// A log that was replaced has nothing more.
    func noteEnd(of log: String) async throws(QueueError) {
        _ = try await pool.rows("UPDATE countersign.followed_log SET at_end = true WHERE log = \(log)::text")
    }

    /// A log that was replaced does not answer any more: nothing is missed if it was read to its end.
    func letGo(_ log: String) async throws(QueueError) {
        _ = try await pool.rows(
            "UPDATE countersign.followed_log SET api_version = NULL WHERE log = \(log)::text AND at_end")
    }
}
