package import FoundationEssentials
import Postgres

/// A log as our tables know it: nobody was asked.
package struct KnownLog: Sendable {
    /// Our live entries under one of its keys.
    package struct Entries: Sendable {
        /// 64 hex digits.
        package let logID: String
        /// Counted to ``LogEntryRecords/countLimit`` and one more.
        package let count: Int
        /// The largest index among them, and when the log's answer was recorded.
        package let newestIndex: Int64
        package let newestAt: Date
    }

    /// One of its trees.
    package struct Tree: Sendable {
        /// Its name in checkpoints.
        package let origin: String
        /// The largest checkpoint that was seen.
        package let newest: StoredCheckpoint
        /// The largest that is proven to extend all before it.
        package let proven: StoredCheckpoint?
        /// Checkpoints that wait for their proof.
        package let waiting: Int
    }

    /// Its URL.
    package let log: String
    package var entries: [Entries] = []
    package var trees: [Tree] = []
    /// What an open alarm says of it.
    package var alarm: String?
}

/// A checkpoint in our tables.
package struct StoredCheckpoint: Sendable {
    package let size: Int64
    package let rootHash: [UInt8]
    package let seenAt: Date
    /// When it was proven to lie in the log's history.
    package let provenAt: Date?
    /// The signed note.
    package let note: String

    fileprivate init(_ row: Row, _ prefix: String = "") throws {
        size = try row.decode(prefix + "size")
        rootHash = try row.decode(prefix + "root")
        seenAt = try row.decode(prefix + "seen_at")
        provenAt = try row.decode(prefix + "proven_at")
        note = try row.decode(prefix + "note")
    }
}

extension LogRecords {
    /// Every log in which we have a live entry, or of which a checkpoint is stored; by URL. Each step goes from one to the next
    /// in an index: the tables are as long as our history.
    package func known() async throws(QueueError) -> [KnownLog] {
        var logs: [String: KnownLog] = [:]
        for (log, entries) in try await knownEntries() {
            logs[log, default: KnownLog(log: log)].entries.append(entries)
        }
        for (log, tree) in try await knownTrees() { logs[log, default: KnownLog(log: log)].trees.append(tree) }
        let alarms = try await pool.rows("SELECT log, detail FROM countersign.log_alarm WHERE cleared_at IS NULL")
            .values { (log: try $0.decode("log", as: String.self), detail: try $0.decode("detail", as: String.self)) }
        for alarm in alarms { logs[alarm.log, default: KnownLog(log: alarm.log)].alarm = alarm.detail }
        return logs.values.sorted { $0.log < $1.log }
    }

    /// Live entries: those of rows of evidence, and those that these have in further logs.
    private static let live: (own: Query, further: Query) = (
        own: "FROM countersign.evidence e WHERE e.log_index IS NOT NULL AND e.abandoned_at IS NULL",
        further: """
        FROM countersign.further_entry e JOIN countersign.evidence v ON v.id = e.evidence_id
        WHERE e.log_index IS NOT NULL AND v.abandoned_at IS NULL
        """
    )

    private func knownEntries() async throws(QueueError) -> [(String, KnownLog.Entries)] {
        let (own, further) = Self.live
        let most = Int64(LogEntryRecords.countLimit + 1)
        return try await pool.rows(
            """
            WITH RECURSIVE key AS (
                SELECT least(
                    (SELECT e.log_id \(own) ORDER BY e.log_id LIMIT 1),
                    (SELECT e.log_id \(further) ORDER BY e.log_id LIMIT 1)) AS log_id
                UNION ALL
                SELECT least(
                    (SELECT e.log_id \(own) AND e.log_id > key.log_id ORDER BY e.log_id LIMIT 1),
                    (SELECT e.log_id \(further) AND e.log_id > key.log_id ORDER BY e.log_id LIMIT 1))
                FROM key WHERE key.log_id IS NOT NULL)
            SELECT key.log_id, newest.log, newest.log_index, newest.logged_at, counted.count
            FROM key
            CROSS JOIN LATERAL (
                (SELECT e.log, e.log_index, e.logged_at \(own) AND e.log_id = key.log_id
                    ORDER BY e.log_index DESC LIMIT 1)
                UNION ALL
                (SELECT e.log, e.log_index, e.logged_at \(further) AND e.log_id = key.log_id
                    ORDER BY e.log_index DESC LIMIT 1)
                ORDER BY log_index DESC LIMIT 1) AS newest
            CROSS JOIN LATERAL (SELECT count(*) AS count FROM (
                (SELECT 1 \(own) AND e.log_id = key.log_id LIMIT \(most))
                UNION ALL
                (SELECT 1 \(further) AND e.log_id = key.log_id LIMIT \(most)) LIMIT \(most)) AS found) AS counted
            ORDER BY newest.logged_at DESC
            """
        ).values { row in
            (
                try row.decode("log"),
                KnownLog.Entries(
                    logID: try row.decode("log_id"), count: Int(try row.decode("count", as: Int64.self)),
                    newestIndex: try row.decode("log_index"), newestAt: try row.decode("logged_at"))
            )
        }
    }

    private func knownTrees() async throws(QueueError) -> [(String, KnownLog.Tree)] {
        try await pool.rows(
            """
            WITH RECURSIVE tree AS (
                (SELECT log, origin FROM countersign.log_checkpoint ORDER BY log, origin LIMIT 1)
                UNION ALL
                SELECT following.log, following.origin FROM tree CROSS JOIN LATERAL (
                    SELECT c.log, c.origin FROM countersign.log_checkpoint c
                    WHERE (c.log, c.origin) > (tree.log, tree.origin) ORDER BY c.log, c.origin LIMIT 1) AS following)
            SELECT tree.log, tree.origin, newest.*, proven.*,
                (SELECT count(*) FROM countersign.log_checkpoint c
                    WHERE c.log = tree.log AND c.origin = tree.origin AND c.proven_at IS NULL) AS waiting
            FROM tree
            CROSS JOIN LATERAL (SELECT c.size, c.root, c.seen_at, c.proven_at, c.note
                FROM countersign.log_checkpoint c WHERE c.log = tree.log AND c.origin = tree.origin
                ORDER BY c.size DESC LIMIT 1) AS newest
            LEFT JOIN LATERAL (SELECT c.size AS p_size, c.root AS p_root, c.seen_at AS p_seen_at,
                    c.proven_at AS p_proven_at, c.note AS p_note
                FROM countersign.log_checkpoint c
                WHERE c.log = tree.log AND c.origin = tree.origin AND c.proven_at IS NOT NULL
                ORDER BY c.size DESC LIMIT 1) AS proven ON true
            """
        ).values { row in
            (
                try row.decode("log"),
                KnownLog.Tree(
                    origin: try row.decode("origin"), newest: try StoredCheckpoint(row),
                    proven: try row.decode("p_size", as: Int64?.self).map { _ in try StoredCheckpoint(row, "p_") },
                    waiting: Int(try row.decode("waiting", as: Int64.self)))
            )
        }
    }

    /// What is stored of a tree at a size, and the largest checkpoint of it that is proven.
    package func checkpoint(
        of log: String, origin: String, size: Int64
    ) async throws(QueueError) -> (stored: StoredCheckpoint?, newest: StoredCheckpoint?) {
        let stored = try await pool.rows(
            """
            SELECT size, root, seen_at, proven_at, note FROM countersign.log_checkpoint
            WHERE log = \(log)::text AND origin = \(origin)::text AND size = \(size)
            """
        ).values { try StoredCheckpoint($0) }.first
        let newest = try await pool.rows(
            """
            SELECT size, root, seen_at, proven_at, note FROM countersign.log_checkpoint
            WHERE log = \(log)::text AND origin = \(origin)::text AND proven_at IS NOT NULL ORDER BY size DESC LIMIT 1
            """
        ).values { try StoredCheckpoint($0) }.first
        return (stored, newest)
    }
}
