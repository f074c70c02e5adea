import OCI
import Postgres

extension JobKind {
    /// Take what was published of a revoked artifact out of what the registry lists.
    package static let withdraw = JobKind(rawValue: "withdraw")
}

/// What was published of a revoked artifact is taken out: what the registry does is ``Withdrawal``'s, what is written down of
/// it is here.
struct WithdrawArtifact: JobHandler {
    static let kind = JobKind.withdraw
    static let worksOnRevoked = true
    /// By whoever may lift the revocation.
    static let cancelledBy = APITokens.Role.admin

    private let registries: Registries
    private let journal: Journal
    private let withdrawal: Withdrawal

    init(_ parts: JobParts) {
        registries = parts.registries
        journal = parts.journal
        withdrawal = Withdrawal(journal: parts.journal, subjects: parts.subjects, signers: parts.signers)
    }

    static func takes(_ subject: Claim.Subject) -> Bool { subject.target != nil }

    func callAsFunction(_ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome {
        let target = try claim.requireTarget()
        guard try await journal.lineage(of: target).state == .revoked else { return .notRevoked }
        let place = try registries.place(of: target.repository)
        return try await trace.stage(.publish) { try await withdrawal.everything(target, place, claim) }
    }

    /// What keeps a withdrawal from its end, for whoever asks what became of the revocation.
    static func putBack(_ claim: Claim, after failure: Failure, in session: Session) throws {
        let target = try claim.requireTarget()
        _ = try session.execute(
            """
            UPDATE countersign.revocation SET removal_error = \(try failure.json())::jsonb
            WHERE repository_id = \(target.repositoryID)::int AND digest = \(target.digest.description)::text
                AND released_at IS NULL AND removal = 'asked'
            """)
    }

    /// Nothing is asked of the registry any more.
    static func cancelled(_ target: Int64?, in session: Session) throws {
        guard let target else { return }
        _ = try session.execute(
            """
            UPDATE countersign.revocation v
            SET removal = \(Revocations.Removal.none.rawValue)::text, removal_error = NULL
            FROM countersign.target t
            WHERE t.id = \(target) AND v.repository_id = t.repository_id AND v.digest = t.digest
                AND v.released_at IS NULL AND v.removal = \(Revocations.Removal.asked.rawValue)::text
            """)
    }
}

extension Outcome {
    /// What was published of a revoked artifact is out of the registry's lists; `false`: the registry lists it by itself.
    /// Whether it is deleted, the attachments say. `undeleted`: why the registry, or our own record, did not let us delete.
    static func withdrawn(isUnlisted: Bool, undeleted: Failure?) -> Outcome {
        .ended(ArtifactWithdrawn(isUnlisted: isUnlisted, undeleted: undeleted))
    }

    /// A withdrawal of what is not revoked: released meanwhile, or taken up from a letter of that time. Its job is to sign what
    /// waits for a signature, or is over.
    static var notRevoked: Outcome { .ended(NotRevoked()) }
}

/// What a withdrawal came to is written down, and the attestations that were taken out with the signature say so. A release
/// that came meanwhile wins: then the job is due again, to sign.
private struct ArtifactWithdrawn: JobEnd {
    let isUnlisted: Bool
    let undeleted: Failure?

    var name: String { "withdrawn" }

    func settle(_ claim: Claim, in session: Session) throws -> Settlement? {
        let target = try claim.requireTarget()
        try JobQueue.lock([claim.jobID], in: session)
        let rows = try session.query(
            """
            WITH held AS MATERIALIZED (
                SELECT * FROM countersign.job
                WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased FOR UPDATE),
            \(JobQueue.endedOrRequeued()),
            told AS (
                UPDATE countersign.revocation
                SET removal = CASE WHEN NOT \(isUnlisted) THEN 'listed' WHEN \(Self.deleted(target)) THEN 'deleted'
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
        return try JobQueue.settlements(rows, ended: .revoked)[claim.jobID]
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
}

/// Pushes may have folded into the job of a withdrawal that nobody wants, and whatever waits for a signature has no other: that
/// one is due at once, as if for the first time.
private struct NotRevoked: JobEnd {
    var name: String { "not_revoked" }

    func settle(_ claim: Claim, in session: Session) throws -> Settlement? {
        try JobQueue.lock([claim.jobID], in: session)
        let rows = try session.query(
            """
            WITH held AS MATERIALIZED (
                SELECT j.id, j.received_at, j.cancel_requested, t.id AS target_id,
                    j.pushed_again OR (t.state IN ('queued', 'signing', 'waiting') AND NOT j.cancel_requested) AS is_wanted,
                    -- revoked since it was looked at
                    CASE WHEN t.state = 'revoked' THEN j.kind
                        WHEN t.purpose = \(Purpose.signature.rawValue)::text THEN \(JobKind.sign.rawValue)::text
                        ELSE \(JobKind.attest.rawValue)::text END AS kind
                FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id
                WHERE j.id = \(claim.jobID) AND j.lease_token = \(claim.leaseToken) AND j.leased FOR UPDATE OF j),
            ended AS (
                DELETE FROM countersign.job
                WHERE id = ANY(ARRAY(SELECT id FROM held WHERE NOT is_wanted)) RETURNING 1),
            turned AS (
                UPDATE countersign.job j
                SET kind = h.kind, leased = false, worker = NULL, lease_expires_at = NULL, alone = false,
                    pushed_again = false, cancel_requested = false, run_at = now(), attempt = 0, failures = 0,
                    first_failed_at = NULL, crash_count = 0, last_error = NULL
                FROM held h WHERE j.id = h.id AND h.is_wanted RETURNING 1),
            shown AS (
                UPDATE countersign.target t
                SET state = CASE WHEN h.is_wanted THEN 'queued' ELSE 'cancelled' END, updated_at = now()
                FROM held h WHERE t.id = h.target_id AND t.state = 'signing' RETURNING 1)
            SELECT is_wanted, now() - received_at AS age FROM held
            """)
        guard let row = rows.first else { return nil }
        return try row.decode("is_wanted") ? .requeued : .ended(nil, sincePush: row.decode("age"))
    }
}
