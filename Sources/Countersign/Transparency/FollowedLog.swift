package import FoundationEssentials
import Postgres

/// How far one log was read for entries under our identities, and what was passed over.
package struct FollowedLog: Sendable {
    /// The log's URL.
    package let url: String
    /// The next index to read.
    package let nextIndex: Int64
    /// Entries that were read, and those of them that are ours.
    package let entries, ours: Int64
    /// Entries of kinds that are not read, and of kinds that are but could not be. Who signs as us in one of them is not seen.
    package let unknownKinds, unreadable: Int64
    /// Entries under our identities that nothing explains, not yet alerts.
    package let suspected: Int64
    package let readAt: Date
}

extension SweepRecords {
    /// Every log that was ever followed, by URL.
    package func followedLogs() async throws(QueueError) -> [FollowedLog] {
        try await pool.rows(
            """
            SELECT l.log, l.next_index, l.entries, l.ours, l.unknown_kinds, l.unreadable, l.read_at,
                (SELECT count(*) FROM countersign.suspected_entry s WHERE s.log = l.log) AS suspected
            FROM countersign.followed_log l ORDER BY l.log
            """
        ).values { row in
            FollowedLog(
                url: try row.decode("log"), nextIndex: try row.decode("next_index"),
                entries: try row.decode("entries"), ours: try row.decode("ours"),
                unknownKinds: try row.decode("unknown_kinds"), unreadable: try row.decode("unreadable"),
                suspected: try row.decode("suspected"), readAt: try row.decode("read_at"))
        }
    }
}
