import FoundationEssentials
import Postgres

extension Retention {
    /// Bundles, manifests and what else would be needed to put a signature back, of images that are not there any more.
    ///
    /// What stays is what explains the entry in the log: its place, whose it is, the signature and the entry itself. It is
    /// put aside, so that an image which comes back is signed, or its signature adopted, as if for the first time. What was taken
    /// away is a row of the audit log, in the same commit.
    func deletedArtifacts(_ keep: Duration) async throws(QueueError) -> Piece {
        guard keep > .zero else { return Piece() }
        let limit = limit
        let targets = try await pool.together { session -> Int in
            // locked until the commit: a push that brings one back waits, and then finds no evidence
            let targets = try session.query(
                """
                SELECT d.target_id FROM countersign.deleted_artifact d JOIN countersign.target t ON t.id = d.target_id
                WHERE d.gone_at < now() - \(keep)::interval AND t.state = 'gone'
                    AND NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = d.target_id)
                ORDER BY d.gone_at, d.target_id LIMIT \(limit)::int FOR NO KEY UPDATE OF t SKIP LOCKED
                """
            ).map { try $0.decode("target_id", as: Int64.self) }
            guard !targets.isEmpty else { return 0 }
            let manifests = try session.execute(
                "DELETE FROM countersign.attachment WHERE target_id = ANY(\(targets)::bigint[])")
            let evidence = try session.query(
                """
                UPDATE countersign.evidence_target SET live = false
                WHERE target_id = ANY(\(targets)::bigint[]) AND live RETURNING evidence_id
                """
            ).map { try $0.decode("evidence_id", as: Int64.self) }
            // a statement of its own, which sees what the one before has left of a group
            let signatures = try session.execute(
                """
                UPDATE countersign.evidence e SET payload = '', certificate_chain = '{}', timestamp_token = NULL,
                    further_timestamps = '{}', log_request = '', bundle = NULL, abandoned_at = coalesce(abandoned_at, now()),
                    abandon_reason = coalesce(abandon_reason, 'the artifact is gone from its registry')
                WHERE id = ANY(\(evidence)::bigint[]) AND logged_at IS NOT NULL
                    AND NOT EXISTS (SELECT FROM countersign.evidence_target o WHERE o.evidence_id = e.id AND o.live)
                """)
            _ = try session.execute(
                """
                UPDATE countersign.further_entry f SET log_request = '' FROM countersign.evidence e
                WHERE f.evidence_id = ANY(\(evidence)::bigint[]) AND f.logged_at IS NOT NULL
                    AND e.id = f.evidence_id AND e.log_request = '' AND e.abandoned_at IS NOT NULL
                """)
            _ = try session.execute(
                "DELETE FROM countersign.deleted_artifact WHERE target_id = ANY(\(targets)::bigint[])")
            var act = AuditLog.Entry(action: "retention.remove", byDaemon: ())
            act.detail =
                "\(Kind.deletedArtifacts.rawValue): \(targets.count) targets; removed \(manifests) manifests and what "
                + "\(signatures) signatures are restored from"
            try AuditLog.append(act, in: session)
            return targets.count
        }
        return Piece(removed: targets, isLast: targets < limit)
    }
}
