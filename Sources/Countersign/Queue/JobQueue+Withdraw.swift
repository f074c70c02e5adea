import OCI
import Postgres

extension JobQueue {
    /// Ends a withdrawal: what it came to is written down, and the attestations that were taken out with the signature say
    /// so. A release that came meanwhile wins: then the job is due again, to sign.
    static func withdrawn(
        _ claim: Claim, _ target: Target, isUnlisted: Bool, undeleted: Failure?, in session: Session
    ) throws -> Settlement? {
        try lock([claim.jobID], in: session)
        let rows = try session.query(
            """
            WITH held AS MATERIALIZED (
                SELECT * FROM countersign.job
                WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased FOR UPDATE),
            \(endedOrRequeued()),
            told AS (
                UPDATE countersign.revocation
                SET removal = CASE WHEN NOT \(isUnlisted) THEN 'listed' WHEN \(deleted(target)) THEN 'deleted'
                        ELSE 'removed' END,
                    removed_at = now(), removal_error = \(try undeleted?.json())::jsonb
                WHERE repository_id = \(target.repositoryID)::int AND digest = \(target.digest.description)::text
                    AND released_at IS NULL AND EXISTS (SELECT FROM held)
                RETURNING reason, removal)
            SELECT id, pushed_again, false AS cancelled, now() - received_at AS age,
                (SELECT reason FROM told LIMIT 1) AS reason, (SELECT removal FROM told LIMIT 1) AS removal
            FROM held
            """)
        guard let row = rows.first else { return nil }
        if let reason: String = try row.decode("reason", as: String?.self) {
            let error = try Failure(
                code: Lineage.revokedCode, stage: SigningStage.authorise.rawValue,
                observed: "its artifact was revoked: \(reason)", fix: "countersign release, if it may be signed again"
            ).json()
            _ = try session.execute(
                """
                UPDATE countersign.target SET state = 'cancelled', last_error = \(error)::jsonb, updated_at = now()
                WHERE digest = \(target.digest.description)::text AND repository_id = \(target.repositoryID)::int
                    AND purpose <> \(Purpose.signature.rawValue)::text AND state = 'signed'
                    AND NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = target.id)
                """)
        }
        if let removal: String = try row.decode("removal", as: String?.self) {
            var entry = AuditLog.Entry(action: "artifact.withdraw", byDaemon: ())
            entry.repository = target.repository.description
            entry.subject = target.digest.description
            entry.code = undeleted?.code
            entry.detail =
                switch Revocations.Removal(rawValue: removal) {
                case .deleted: "deleted"
                case .removed: "unlisted"
                default: "listed by the registry itself"
                }
            try AuditLog.append(entry, in: session)
        }
        return try settlements(rows, ended: .revoked)[claim.jobID]
    }

    /// Everything of ours on the artifact was a manifest of its own and is deleted. A layer of a legacy tag never is: the
    /// manifest around it is everybody's.
    private static func deleted(_ target: Target) -> Query {
        """
        (SELECT coalesce(bool_and(a.deleted_at IS NOT NULL), false)
            FROM countersign.target t JOIN countersign.attachment a ON a.target_id = t.id
            WHERE t.digest = \(target.digest.description)::text AND t.repository_id = \(target.repositoryID)::int)
        """
    }

    /// What keeps a withdrawal from its end, for whoever asks what became of the revocation.
    static func withdrawalFailed(_ target: Target, _ failure: Failure, in session: Session) throws {
        _ = try session.execute(
            """
            UPDATE countersign.revocation SET removal_error = \(try failure.json())::jsonb
            WHERE repository_id = \(target.repositoryID)::int AND digest = \(target.digest.description)::text
                AND released_at IS NULL AND removal = 'asked'
            """)
    }
}
