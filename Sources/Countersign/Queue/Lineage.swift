import FailPoints
import OCI
import Postgres

/// Where a target stands among the generations of its digest, and whether it may be signed at all.
struct Lineage: Sendable, Equatable {
    /// The newest generation that somebody asked for and that counts.
    let newest: Int32
    /// Of that generation.
    let state: TargetState
    /// Whether older signatures of ours are to be taken out of the lists once this one stands.
    let removesOlder: Bool
    /// Whether digests of another algorithm are revoked in the repository. One of them may name the same manifest, which its
    /// bytes tell (``Journal/revokedName(of:in:)``).
    var hasOtherNamesRevoked = false

    static let supersededCode = "artifact.superseded"
    static let revokedCode = "artifact.revoked"
    static let unexplainedCode = "artifact.generation_unexplained"

    /// Of a target `n` of a later generation: whether it takes the place of those before it. It does while it is open, once it
    /// was signed or revoked, and once it may have taken the older ones out of the lists. One that ended without a signature
    /// does not: what was published before it stands, and is looked after as if nobody had asked for another.
    static let counts: StaticString = """
        (n.state NOT IN ('refused', 'gone', 'failed', 'cancelled') OR n.signed_at IS NOT NULL
            OR (EXISTS (SELECT FROM countersign.target_generation g WHERE g.target_id = n.id AND g.removes_older)
                AND EXISTS (SELECT FROM countersign.attachment p WHERE p.target_id = n.id AND p.pushed_at IS NOT NULL)))
        """

    /// Why nothing is to be done for a target; `nil` when something is.
    func end(of target: Target) -> Failure? {
        if state == .revoked { return Self.revoked(target.digest, in: target.repository) }
        guard target.generation <= newest else {
            return Failure(
                code: Self.unexplainedCode, stage: SigningStage.authorise.rawValue,
                observed: "nobody is on record as having asked for generation \(target.generation)",
                fix: "look at who can write to the database; countersign resign opens a generation")
        }
        guard target.generation < newest else { return nil }
        return Failure(
            code: Self.supersededCode, stage: SigningStage.authorise.rawValue,
            observed: "generation \(newest) was asked for since; this is \(target.generation)",
            fix: "nothing: the newest one counts")
    }

    static func revoked(_ digest: Digest, in repository: Repository) -> Failure {
        Failure(
            code: revokedCode, stage: SigningStage.authorise.rawValue,
            observed: "\(digest) was revoked in \(repository)", fix: "countersign release, if it may be signed again")
    }
}

/// Something of ours that a registry was seen to accept.
struct PublishedAttachment: Sendable {
    let evidenceID: Int64
    let targetID: Int64
    let format: SignatureFormat
    let kind: LegacyKind
    /// Of the referrer manifest; for the legacy format of the layer's blob.
    let digest: Digest
    /// The manifest, or the layer's descriptor with its annotations.
    let manifest: [UInt8]
    /// What it carries; only where it may have to be deleted.
    let bundle: [UInt8]?
    /// Whether the same image in another repository has the same manifest, and is signed.
    let isOfOthers: Bool
}

extension Journal {
    /// - Throws: ``QueueError/unreadable(table:what:)`` if the target is not there.
    func lineage(of target: Target) async throws(QueueError) -> Lineage {
        // `sha512:…`, or `sha256:…`: a range that the index serves in whichever order its collation has
        let others = target.digest.algorithm == .sha256 ? (from: "sha5", to: "sha6") : (from: "sha2", to: "sha3")
        return try await lineage(of: target, others)
    }

    private func lineage(
        of target: Target, _ others: (from: String, to: String)
    ) async throws(QueueError) -> Lineage {
        let found = try await pool.rows(
            """
            SELECT n.generation, CASE WHEN EXISTS (SELECT FROM countersign.revocation v
                    WHERE v.repository_id = n.repository_id AND v.digest = n.digest AND v.released_at IS NULL)
                THEN 'revoked' ELSE n.state END AS state, EXISTS (SELECT FROM countersign.revocation v
                    WHERE v.repository_id = n.repository_id AND v.released_at IS NULL
                        AND v.digest >= \(others.from)::text AND v.digest < \(others.to)::text) AS others, coalesce(
                (SELECT removes_older FROM countersign.target_generation WHERE target_id = \(target.id)), false) AS removes
            FROM countersign.target n
            WHERE n.digest = \(target.digest.description)::text AND n.repository_id = \(target.repositoryID)::int
                AND n.purpose = \(target.purpose.rawValue)::text
                AND (n.generation = 0 OR (
                    EXISTS (SELECT FROM countersign.target_generation g WHERE g.target_id = n.id)
                    AND (n.id = \(target.id) OR \(unescaped: Lineage.counts))))
            ORDER BY n.generation DESC LIMIT 1
            """
        ).values { row -> Lineage in
            guard let state = TargetState(rawValue: try row.decode("state")) else {
                throw QueueError.unreadable(table: "target", what: "state")
            }
            return Lineage(
                newest: try row.decode("generation"), state: state, removesOlder: try row.decode("removes"),
                hasOtherNamesRevoked: try row.decode("others"))
        }.first
        guard let found else { throw .unreadable(table: "target", what: "target \(target.id)") }
        return found
    }

    /// The digest of another algorithm by which a manifest is revoked in the target's repository; nil if it is not.
    func revokedName(of manifest: Manifest, in target: Target) async throws(QueueError) -> Digest? {
        try await pool.rows(
            """
            SELECT digest FROM countersign.revocation
            WHERE repository_id = \(target.repositoryID)::int AND released_at IS NULL
                AND digest = ANY(\(manifest.otherDigests.map(\.description))::text[])
            LIMIT 1
            """
        ).values { try Digest(try $0.decode("digest", as: String.self)) }.first
    }

    /// What of ours may be listed for a digest: signatures of earlier generations, or everything. Whatever was rendered
    /// counts: it may have been pushed by an attempt that could not write that down any more.
    /// - Parameters:
    ///   - generation: only signatures before this one; `nil`: all, attestations among them.
    ///   - undeleted: also referrers that are out of the lists already, but were not deleted.
    func published(
        for target: Target, before generation: Int32?, undeleted: Bool = false
    ) async throws(QueueError) -> [PublishedAttachment] {
        try await pool.rows(
            """
            SELECT a.evidence_id, a.target_id, a.format, a.digest, a.manifest,
                t.purpose = \(Purpose.signature.rawValue)::text AS is_signature,
                CASE WHEN \(undeleted) THEN e.bundle END AS bundle,
                EXISTS (SELECT FROM countersign.target o JOIN countersign.attachment s ON s.target_id = o.id
                    WHERE o.digest = t.digest AND o.repository_id <> t.repository_id AND o.state = 'signed'
                        AND s.format = a.format AND s.digest = a.digest AND s.removed_at IS NULL) AS is_of_others
            FROM countersign.target t JOIN countersign.attachment a ON a.target_id = t.id
            JOIN countersign.evidence e ON e.id = a.evidence_id
            WHERE t.digest = \(target.digest.description)::text AND t.repository_id = \(target.repositoryID)::int
                AND (a.removed_at IS NULL OR (\(undeleted) AND a.deleted_at IS NULL
                    AND a.format = \(SignatureFormat.bundle.rawValue)::text))
                AND (\(generation)::int IS NULL
                    OR (t.purpose = \(Purpose.signature.rawValue)::text AND t.generation < \(generation)::int))
            ORDER BY a.evidence_id
            """
        ).values { row in
            guard let format = SignatureFormat(rawValue: try row.decode("format")) else {
                throw QueueError.unreadable(table: "attachment", what: "format")
            }
            return PublishedAttachment(
                evidenceID: try row.decode("evidence_id"), targetID: try row.decode("target_id"), format: format,
                kind: try row.decode("is_signature", as: Bool.self) ? .signature : .attestation,
                digest: try Digest(try row.decode("digest", as: String.self)), manifest: try row.decode("manifest"),
                bundle: try row.decode("bundle"), isOfOthers: try row.decode("is_of_others"))
        }
    }

    /// Writes down that the registry lists these no more, or has them no more. Fenced.
    /// - Parameter act: a row of the audit log, written with it; none where there is nothing to write down.
    func removed(
        _ attachments: [PublishedAttachment], deleted: Bool = false, writing act: AuditLog.Entry? = nil,
        for claim: Claim
    ) async throws(QueueError) {
        guard !attachments.isEmpty else { return }
        try FailPoint.recordRemoval.before(QueueError.injected)
        try await pool.together { session in
            _ = try Self.fence(claim, in: session)
            _ = try session.execute(
                """
                UPDATE countersign.attachment a SET removed_at = coalesce(a.removed_at, now()),
                    deleted_at = CASE WHEN \(deleted) THEN now() ELSE a.deleted_at END
                FROM unnest(\(attachments.map(\.evidenceID))::bigint[], \(attachments.map(\.targetID))::bigint[])
                    AS g(evidence_id, target_id)
                WHERE a.evidence_id = g.evidence_id AND a.target_id = g.target_id
                """)
            if let act { try AuditLog.append(act, in: session) }
        }
        try FailPoint.recordRemoval.after(QueueError.injected)
    }
}
