import Postgres

extension Retention {
    /// Documents that were broken off, and those that no attestation can need any more. A walk by number.
    ///
    /// An attestation that ended before anything was signed is sent again with its document, if it is sent again. The image of
    /// another may come back, or be released, and a large document is then put back from here: its document stays.
    func documents(after place: inout Place) async throws(QueueError) -> Piece {
        // each has parts, of 1 MiB
        let (after, limit) = (place.id, min(limit, 50))
        let walked = try await pool.together { session -> (page: [Int64], removed: Int) in
            // held, so that what is sent again meanwhile finds it, or finds it gone
            let page = try session.query(
                """
                SELECT id FROM countersign.document WHERE id > \(after) AND begun_at < now() - interval '1 hour'
                ORDER BY id LIMIT \(limit)::int FOR UPDATE SKIP LOCKED
                """
            ).map { try $0.decode("id", as: Int64.self) }
            guard !page.isEmpty else { return (page, 0) }
            _ = try session.execute(
                """
                UPDATE countersign.attestation a SET document_id = NULL FROM countersign.target t
                WHERE a.document_id = ANY(\(page)::bigint[]) AND t.id = a.target_id
                    AND t.state IN ('refused', 'gone', 'cancelled') AND t.updated_at < now() - interval '1 day'
                    AND NOT EXISTS (SELECT FROM countersign.evidence_target l WHERE l.target_id = t.id AND l.live)
                """)
            let removed = try session.execute(
                """
                DELETE FROM countersign.document d WHERE id = ANY(\(page)::bigint[])
                    AND NOT EXISTS (SELECT FROM countersign.attestation a WHERE a.document_id = d.id)
                """)
            return (page, removed)
        }
        guard let last = walked.page.last else { return Piece() }
        place.id = last
        return Piece(removed: walked.removed, isLast: walked.page.count < limit)
    }
}
