import FoundationEssentials
package import Postgres

/// Removes what is older than it is kept, in small pieces: each is a transaction of its own, and whoever dies between two
/// leaves the rest to the next.
package struct Retention: Sendable {
    /// What is removed, by the word of metrics and logs.
    package enum Kind: String, Sendable, CaseIterable {
        case events
        case deadLetters = "dead_letters"
        case batches
        case tagHistory = "tag_history"
        case deletedArtifacts = "deleted_artifacts"
        case documents
    }

    /// What one piece came to.
    package struct Piece: Sendable, Equatable {
        /// Rows; of `events` partitions, of `deletedArtifacts` targets.
        package var removed = 0
        /// Whether there is more to look at.
        package var isLast = true
    }

    let pool: ConnectionPool
    private let configuration: RetentionConfiguration
    /// Rows of a piece.
    let limit: Int

    package init(pool: ConnectionPool, configuration: RetentionConfiguration, limit: Int = 500) {
        self.pool = pool
        self.configuration = configuration
        self.limit = limit
    }

    /// Where a walk through a table stands between its pieces.
    package struct Place: Sendable {
        var id: Int64 = 0
        package init() {}
    }

    /// Removes the next piece.
    package func piece(of kind: Kind, after place: inout Place) async throws(QueueError) -> Piece {
        switch kind {
        case .events: try await events()
        case .deadLetters: try await deadLetters()
        case .batches: try await batches()
        case .tagHistory: try await tagHistory(after: &place)
        case .deletedArtifacts: try await deletedArtifacts(configuration.deletedArtifacts)
        case .documents: try await documents(after: &place)
        }
    }

    private func events() async throws(QueueError) -> Piece {
        let keep = configuration.events
        let dropped = try await pool.together { session in
            try session.query("SELECT countersign.drop_event_partitions(\(keep)::interval) AS dropped").first?
                .decode("dropped", as: Int32.self) ?? 0
        }
        return Piece(removed: Int(dropped))
    }

    /// Not that of a tag of which nothing is known since: it is all that tells that the tag could not be resolved, and why.
    private func deadLetters() async throws(QueueError) -> Piece {
        try await rows(
            """
            DELETE FROM countersign.dead_letter WHERE job_id = ANY(ARRAY(
                SELECT d.job_id FROM countersign.dead_letter d
                WHERE d.buried_at < now() - \(configuration.deadLetters)::interval
                    AND (d.target_id IS NOT NULL OR (
                        SELECT h.digest IS NULL AND h.seen_at <= d.received_at FROM countersign.tag_history h
                        WHERE h.repository_id = d.repository_id AND h.tag = d.tag ORDER BY h.id DESC LIMIT 1) IS NOT TRUE)
                ORDER BY d.buried_at, d.job_id LIMIT \(limit)::int FOR UPDATE SKIP LOCKED))
            """)
    }

    /// Members before their batch, which may have a hundred thousand.
    private func batches() async throws(QueueError) -> Piece {
        let keep = configuration.batches
        let members = try await rows(
            """
            DELETE FROM countersign.batch_member m USING (
                SELECT o.batch_id, o.ordinal FROM countersign.batch b
                JOIN countersign.batch_member o ON o.batch_id = b.id
                WHERE b.ended_at < now() - \(keep)::interval ORDER BY b.id, o.ordinal LIMIT \(limit)::int) AS old
            WHERE m.batch_id = old.batch_id AND m.ordinal = old.ordinal
            """)
        guard members.isLast else { return members }
        var batches = try await rows(
            """
            DELETE FROM countersign.batch WHERE id = ANY(ARRAY(
                SELECT b.id FROM countersign.batch b WHERE b.ended_at < now() - \(keep)::interval
                    AND NOT EXISTS (SELECT FROM countersign.batch_member m WHERE m.batch_id = b.id)
                ORDER BY b.id LIMIT \(limit)::int FOR UPDATE SKIP LOCKED))
            """)
        batches.removed += members.removed
        return batches
    }

    /// A walk by number: only rows that a later one of the same tag has made history.
    private func tagHistory(after place: inout Place) async throws(QueueError) -> Piece {
        guard configuration.tagHistory > .zero else { return Piece() }
        let (keep, after, limit) = (configuration.tagHistory, place.id, limit)
        let walked = try await pool.together { session in
            try session.query(
                """
                WITH walked AS MATERIALIZED (
                    SELECT id, repository_id, tag FROM countersign.tag_history
                    WHERE id > \(after) AND seen_at < now() - \(keep)::interval ORDER BY id LIMIT \(limit)::int),
                gone AS (
                    DELETE FROM countersign.tag_history h WHERE h.id = ANY(ARRAY(
                        SELECT w.id FROM walked w WHERE EXISTS (SELECT FROM countersign.tag_history newer
                            WHERE newer.repository_id = w.repository_id AND newer.tag = w.tag AND newer.id > w.id)))
                    RETURNING 1)
                SELECT (SELECT count(*) FROM walked) AS seen, (SELECT max(id) FROM walked) AS last,
                    (SELECT count(*) FROM gone) AS removed
                """
            ).first.map { row in
                (
                    seen: try row.decode("seen", as: Int64.self), last: try row.decode("last", as: Int64?.self),
                    removed: try row.decode("removed", as: Int64.self)
                )
            }
        }
        guard let walked, let last = walked.last else { return Piece() }
        place.id = last
        return Piece(removed: Int(walked.removed), isLast: walked.seen < limit)
    }

    private func rows(_ statement: Query) async throws(QueueError) -> Piece {
        let removed = try await pool.together { session in try session.execute(statement) }
        return Piece(removed: removed, isLast: removed < limit)
    }
}
