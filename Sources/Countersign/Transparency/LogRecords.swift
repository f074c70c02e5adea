import FoundationEssentials
package import Postgres
package import Sigstore

/// What the database remembers of logs: their checkpoints, and the alarms that stop signing.
package struct LogRecords: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// The checkpoints of one log.
    package func store(of log: String) -> CheckpointRecords { CheckpointRecords(pool: pool, log: log) }

    /// What an open alarm says of a log; nil if there is none.
    package func alarm(of log: String) async throws(QueueError) -> String? {
        try await pool.rows(
            "SELECT detail FROM countersign.log_alarm WHERE log = \(log) AND cleared_at IS NULL"
        ).values { try $0.decode("detail", as: String.self) }.first
    }

    /// Raises the alarm, with the evidence.
    /// - Returns: whether it is new: one is open at a time for each log.
    @discardableResult
    package func raise(_ contradiction: LogContradiction, of log: String) async throws(QueueError) -> Bool {
        let rows = try await pool.rows(
            """
            INSERT INTO countersign.log_alarm (log, origin, detail, first_note, second_note)
            VALUES (\(log), \(contradiction.origin), \(contradiction.detail), \(contradiction.first.note),
                \(contradiction.second.note))
            ON CONFLICT (log) WHERE cleared_at IS NULL DO NOTHING
            RETURNING id
            """)
        return !rows.isEmpty
    }

    /// Clears a log's alarm and forgets what its tree said before. For an operator who has looked at the evidence.
    /// - Returns: whether there was one.
    package func clear(_ log: String, by person: String) async throws(QueueError) -> Bool {
        let cleared = try await pool.rows(
            "SELECT countersign.clear_log_alarm(\(log)::text, \(person)::text) AS cleared"
        ).values { try $0.decode("cleared", as: Int.self) }
        return cleared.first ?? 0 > 0
    }
}

/// A log's checkpoints in the database, shared by all daemons.
package struct CheckpointRecords: CheckpointStore {
    let pool: ConnectionPool
    let log: String

    /// Proven rows are kept this long after they were seen, the largest one for ever.
    private static let keeping: Duration = .seconds(30 * 86_400)
    /// Rows of one tree that may wait for their proof; of more the smallest are dropped unproven. A busy log hands out one with
    /// each entry, and a look proves only so many.
    var mostWaiting = 100_000

    package func proven(origin: String) async throws -> Checkpoint? {
        try await notes(
            """
            SELECT note FROM countersign.log_checkpoint
            WHERE log = \(log) AND origin = \(origin) AND proven_at IS NOT NULL ORDER BY size DESC LIMIT 1
            """
        ).first
    }

    package func pending(origin: String, limit: Int) async throws -> [Checkpoint] {
        // the largest reaches farthest; which of the others are looked at nobody can foresee
        try await notes(
            """
            SELECT note FROM (
                SELECT note, row_number() OVER (ORDER BY size DESC) = 1 AS is_largest
                FROM countersign.log_checkpoint
                WHERE log = \(log) AND origin = \(origin) AND proven_at IS NULL) AS p
            ORDER BY is_largest DESC, random() LIMIT \(limit)
            """)
    }

    package func record(_ checkpoint: Checkpoint) async throws -> Checkpoint? {
        guard let size = Int64(exactly: checkpoint.size) else { throw SigstoreError.unsupported("2^63 log entries") }
        let recorded = try await pool.rows(
            """
            INSERT INTO countersign.log_checkpoint (log, origin, size, root, note)
            VALUES (\(log), \(checkpoint.origin), \(size), \(checkpoint.rootHash), \(checkpoint.note))
            ON CONFLICT (log, origin, size) DO NOTHING RETURNING size
            """)
        guard recorded.isEmpty else { return nil }
        return try await notes(
            """
            SELECT note FROM countersign.log_checkpoint
            WHERE log = \(log) AND origin = \(checkpoint.origin) AND size = \(size) AND root <> \(checkpoint.rootHash)
            """
        ).first
    }

    package func prove(_ checkpoints: [Checkpoint]) async throws {
        guard let largest = checkpoints.last else { return }
        let sizes = checkpoints.compactMap { Int64(exactly: $0.size) }
        _ = try await pool.rows(
            """
            WITH proven AS (
                UPDATE countersign.log_checkpoint SET proven_at = now()
                WHERE log = \(log) AND origin = \(largest.origin) AND size = ANY (\(sizes)) AND proven_at IS NULL)
            DELETE FROM countersign.log_checkpoint
            WHERE log = \(log) AND origin = \(largest.origin) AND size < \(sizes.max() ?? 0) AND NOT size = ANY (\(sizes))
                AND CASE WHEN proven_at IS NOT NULL THEN seen_at < now() - \(Self.keeping)::interval
                    ELSE size <= (
                        SELECT size FROM countersign.log_checkpoint
                        WHERE log = \(log) AND origin = \(largest.origin) AND proven_at IS NULL
                            AND NOT size = ANY (\(sizes))
                        ORDER BY size DESC OFFSET \(mostWaiting) LIMIT 1) END
            """)
    }

    /// How many of the log's checkpoints wait for the proof that they lie in its history, over all its trees.
    package func waiting() async throws(QueueError) -> Int {
        try await pool.rows(
            "SELECT count(*) AS waiting FROM countersign.log_checkpoint WHERE log = \(log) AND proven_at IS NULL"
        ).values { Int(try $0.decode("waiting", as: Int64.self)) }.first ?? 0
    }

    /// Which of these sizes of a tree have a checkpoint that waits for its proof.
    func waiting(origin: String, sizes: Set<UInt64>) async throws(QueueError) -> Set<UInt64> {
        let sizes = sizes.compactMap { Int64(exactly: $0) }
        let waiting = try await pool.rows(
            """
            SELECT size FROM countersign.log_checkpoint
            WHERE log = \(log) AND origin = \(origin) AND size = ANY (\(sizes)) AND proven_at IS NULL
            """
        ).values { UInt64(try $0.decode("size", as: Int64.self)) }
        return Set(waiting)
    }

    private func notes(_ query: Query) async throws -> [Checkpoint] {
        try await pool.rows(query).values { try $0.decode("note", as: String.self) }
            .map { note throws(SigstoreError) in try Checkpoint(note: note) }
    }
}
