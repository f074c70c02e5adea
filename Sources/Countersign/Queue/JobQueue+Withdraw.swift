import OCI
import Postgres

extension JobQueue {
    /// Ends a withdrawal: what it came to is written down, and the attestations that were taken out with the signature say
    /// so. A release that came meanwhile wins: then the job is due again, to sign.
    static func withdrawn(_ claim: Claim, _ target: Target, isUnlisted: Bool, in session: Session) throws -> Settlement?
    {
        try lock([claim.jobID], in: session)
        let rows = try session.query(
            """
            WITH held AS MATERIALIZED (
                SELECT * FROM countersign.job
                WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased FOR UPDATE),
            ended AS (
                DELETE FROM countersign.job
                WHERE id = ANY(ARRAY(SELECT id FROM held WHERE NOT pushed_again)) RETURNING 1),
            requeued AS (
                UPDATE countersign.job j
                SET leased = false, worker = NULL, lease_expires_at = NULL, alone = false, pushed_again = false,
                    cancel_requested = false, run_at = now(), received_at = now(), attempt = 0, failures = 0,
                    first_failed_at = NULL, crash_count = 0, last_error = NULL
                WHERE j.id = ANY(ARRAY(SELECT id FROM held WHERE pushed_again)) RETURNING 1),
            told AS (
                UPDATE countersign.revocation SET removal = \(isUnlisted ? "removed" : "listed")::text, removed_at = now()
                WHERE repository_id = \(target.repositoryID)::int AND digest = \(target.digest.description)::text
                    AND released_at IS NULL AND EXISTS (SELECT FROM held)
                RETURNING reason)
            SELECT id, pushed_again, false AS cancelled, now() - received_at AS age,
                (SELECT reason FROM told LIMIT 1) AS reason
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
        return try settlements(rows, ended: .revoked)[claim.jobID]
    }
}
