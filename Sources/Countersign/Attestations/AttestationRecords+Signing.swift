import FailPoints
import OCI
import Postgres
import Sigstore

/// What the line asks and writes.
extension AttestationRecords {
    /// The artifact's own signature: its state, and in which formats a registry was seen to serve it.
    struct ArtifactSignature: Sendable {
        let state: TargetState
        let formats: Set<SignatureFormat>
        /// In which it was asked for; nil: in all of the rule's.
        let asked: Set<SignatureFormat>?

        /// Whether it stands as far as it was asked for. A bundle that the rule names has to, whatever was asked for: cosign
        /// looks at nothing else once a document lies beside the image as one.
        func stands(under rule: PolicyConfiguration.Rule) -> Bool {
            let wanted = rule.formats(asked: asked?.union([.bundle]))
            return state == .signed && formats.isSuperset(of: wanted)
        }
    }

    /// Of the newest generation that counts: one that ended without a signature leaves the one before it standing.
    /// - Returns: nil while no push of the artifact was seen.
    func signature(of target: Target) async throws(QueueError) -> ArtifactSignature? {
        try await pool.rows(
            """
            SELECT t.state, \(SignatureFormat.served) AS formats, \(SignatureFormat.asked) AS asked
            FROM countersign.target t
            WHERE t.id = (
                SELECT n.id FROM countersign.target n
                WHERE n.digest = \(target.digest.description)::text AND n.repository_id = \(target.repositoryID)::int
                    AND n.purpose = \(Purpose.signature.rawValue)::text
                    AND (n.generation = 0 OR \(unescaped: Lineage.counts))
                ORDER BY n.generation DESC LIMIT 1)
            """
        ).values { row in
            guard let state = TargetState(rawValue: try row.decode("state")) else {
                throw QueueError.unreadable(table: "target", what: "state")
            }
            return ArtifactSignature(
                state: state, formats: try row.formats("formats") ?? [], asked: try row.formats("asked"))
        }.first
    }

    /// What may take an attestation's place: the same predicate type, and of CycloneDX, where both have one, a VEX for a VEX
    /// and a bill of materials for a bill of materials. As ``DocumentFormat/isVEX(_:)`` tells them apart.
    private static func takesPlaceOf(_ attestation: AttestationRecord) -> Query {
        let isCycloneDXVEX = attestation.type.format == .cycloneDX && attestation.isVEX
        return """
            a.predicate_type = \(attestation.type.uri)::text
                AND (a.format = \(DocumentFormat.cycloneDX.rawValue)::text AND a.facts LIKE '% VEX')
                    = \(isCycloneDXVEX)::boolean
            """
    }

    /// A newer attestation of the same type that is signed and replaces older ones: this one comes too late.
    func signedReplacement(
        of attestation: AttestationRecord, _ target: Target
    ) async throws(QueueError) -> Int64? {
        try await pool.rows(
            """
            SELECT a.id FROM countersign.target t JOIN countersign.attestation a ON a.target_id = t.id
            WHERE t.digest = \(target.digest.description)::text AND t.repository_id = \(target.repositoryID)::int
                AND \(Self.takesPlaceOf(attestation)) AND a.id > \(attestation.id) AND a.replaces
                AND t.state = 'signed'
            ORDER BY a.id DESC LIMIT 1
            """
        ).values { try $0.decode("id", as: Int64.self) }.first
    }

    /// What was published of the older ones of the same type: referrer manifests, and blobs under the legacy tag.
    func replaced(
        by attestation: AttestationRecord, _ target: Target
    ) async throws(QueueError) -> Set<Digest> {
        let digests = try await pool.rows(
            """
            SELECT p.digest FROM countersign.target t
            JOIN countersign.attestation a ON a.target_id = t.id
            JOIN countersign.attachment p ON p.target_id = t.id
            WHERE t.digest = \(target.digest.description)::text AND t.repository_id = \(target.repositoryID)::int
                AND \(Self.takesPlaceOf(attestation)) AND a.id < \(attestation.id)
            """
        ).values { try Digest(try $0.decode("digest", as: String.self)) }
        return Set(digests)
    }

    /// Marks the older ones of the same type as superseded, and says so in the audit log. They stay in the database: that is
    /// their history. An alert about one of them ends with it.
    func supersede(by attestation: AttestationRecord, _ target: Target) async throws(QueueError) {
        try FailPoint.supersede.before(QueueError.injected)
        let takesPlace = Self.takesPlaceOf(attestation)
        try await pool.together { session in
            let superseded = try session.query(
                """
                UPDATE countersign.attestation a SET superseded_by = \(attestation.id), superseded_at = now()
                FROM countersign.target t
                WHERE t.id = a.target_id AND t.digest = \(target.digest.description)::text
                    AND t.repository_id = \(target.repositoryID)::int AND \(takesPlace)
                    AND a.id < \(attestation.id) AND a.superseded_by IS NULL
                RETURNING a.id, a.target_id
                """
            ).map { (id: try $0.decode("id", as: Int64.self), target: try $0.decode("target_id", as: Int64.self)) }
            guard !superseded.isEmpty else { return }
            try SignatureAlarm.end(about: superseded.map(\.target), in: session)
            var entry = AuditLog.Entry(action: "attestation.supersede", byDaemon: ())
            entry.repository = target.repository.description
            entry.subject = target.digest.description
            entry.type = attestation.type.uri
            let older = superseded.map(\.id).sorted().map(String.init).joined(separator: ", ")
            entry.detail = "attestation \(attestation.id) in place of \(older)"
            try AuditLog.append(entry, in: session)
        }
        try FailPoint.supersede.after(QueueError.injected)
    }

    /// Writes down how the document goes into the log, once: a restart, also under another configuration, goes on as it
    /// was begun.
    func record(
        _ route: AttestationRecord.Route, of attestation: AttestationRecord, in formats: [SignatureFormat]
    ) async throws(QueueError) {
        let bundle: String? = formats.contains(.bundle) ? route.rawValue : nil
        let legacy: String? = formats.contains(.legacy) ? route.rawValue : nil
        _ = try await pool.rows(
            """
            UPDATE countersign.attestation
            SET bundle_route = coalesce(bundle_route, \(bundle)::text),
                legacy_route = coalesce(legacy_route, \(legacy)::text)
            WHERE id = \(attestation.id)
            """)
    }
}

extension JobQueue {
    /// Has the attestations of an artifact look again now: its signature came, or never will. What a process that dies leaves
    /// undone, the next look at the signature does.
    /// - Parameter lane: in which those that ended with their artifact are taken up, now that it is signed; nil: they are not.
    func wakeAttestations(of target: Target, takingUpIn lane: Lane?) async throws(QueueError) {
        let waking: Query = """
            UPDATE countersign.job j SET run_at = now()
            WHERE j.kind = \(JobKind.attest.rawValue)::text AND NOT j.leased AND j.run_at > now()
                AND j.target_id = ANY(ARRAY(
                    SELECT t.id FROM countersign.target t
                    WHERE t.digest = \(target.digest.description)::text
                        AND t.repository_id = \(target.repositoryID)::int AND t.purpose LIKE 'attestation %'))
            RETURNING j.id
            """
        let takingUp = lane.map { Self.takingUpAttestations(of: target.digest, target.repositoryID, in: $0) }
        let due = try await pool.atOnce([takingUp, waking].compactMap(\.self))
        if due.contains(where: { !$0.isEmpty }) { notifier.jobsAreDue() }
    }

    /// Queues again what ended because its artifact was away, refused or revoked: where the document is kept, or what was
    /// signed can be put back without it. What waited too long for a signature stays `gone`, and what a newer one superseded
    /// stays as it is. The time since its end is none that a document has waited.
    static func takingUpAttestations(of digest: Digest, _ repositoryID: Int32, in lane: Lane) -> Query {
        """
        WITH ended AS MATERIALIZED (
            SELECT t.id, t.updated_at FROM countersign.target t
            WHERE t.digest = \(digest.description)::text AND t.repository_id = \(repositoryID)::int
                AND t.purpose LIKE 'attestation %'
                AND ((t.state = 'gone' AND t.last_error->>'code' <> \(SignAttestation.noArtifactCode)::text)
                    OR (t.state = 'refused' AND t.last_error->>'code' = \(SignAttestation.artifactRefusedCode)::text)
                    OR (t.state IN ('refused', 'cancelled') AND t.last_error->>'code' = \(Lineage.revokedCode)::text))
                AND NOT EXISTS (SELECT FROM countersign.revocation v
                    WHERE v.repository_id = \(repositoryID)::int AND v.digest = \(digest.description)::text
                        AND v.released_at IS NULL)),
        due AS (
            -- attestations before targets, as where a document is sent again
            UPDATE countersign.attestation a SET expires_at = a.expires_at + (now() - ended.updated_at)
            FROM ended
            WHERE a.target_id = ended.id AND a.superseded_by IS NULL
                AND (a.document_id IS NOT NULL
                    -- its bundle is stored, and no document lies beside the image
                    OR (a.bundle_route IS DISTINCT FROM 'reference' AND a.legacy_route IS DISTINCT FROM 'reference'
                        AND EXISTS (SELECT FROM countersign.evidence_target l
                            JOIN countersign.evidence e ON e.id = l.evidence_id
                            WHERE l.target_id = a.target_id AND l.live
                                AND (e.bundle IS NOT NULL OR e.format = \(SignatureFormat.legacy.rawValue)::text))))
            RETURNING a.target_id),
        again AS (
            UPDATE countersign.target t SET state = 'queued', last_error = NULL, updated_at = now()
            FROM due WHERE t.id = due.target_id AND t.state IN ('gone', 'refused', 'cancelled')
            RETURNING t.id, t.repository_id)
        INSERT INTO countersign.job (kind, target_id, repository_id, lane)
        SELECT \(JobKind.attest.rawValue)::text, id, repository_id, \(lane.rawValue)::smallint FROM again ORDER BY id
        ON CONFLICT (target_id) DO NOTHING
        RETURNING id
        """
    }

    /// Has one attestation look again now.
    func wakeAttestation(_ target: Target) async throws(QueueError) {
        let woken = try await pool.rows(
            """
            UPDATE countersign.job SET run_at = now()
            WHERE target_id = \(target.id) AND NOT leased AND run_at > now() RETURNING id
            """)
        if !woken.isEmpty { notifier.jobsAreDue() }
    }
}
