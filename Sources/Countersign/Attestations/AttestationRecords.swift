package import OCI
package import Postgres
import Sigstore

/// Reads and writes of attestations. Their state is the state of their targets; what is theirs alone is here.
package struct AttestationRecords: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    private static let columns: StaticString = """
        a.id AS attestation_id, a.predicate_type, a.format, a.facts, a.document_id, a.document_digest, a.document_size,
        a.replaces, a.taken_at, a.expires_at, a.expires_at <= clock_timestamp() AS is_expired, a.token_name,
        a.bundle_route, a.legacy_route, a.superseded_by, a.superseded_at
        """

    /// Everything that was said about an artifact, newest first, what is superseded among it.
    /// - Parameter types: predicate type URIs that the reader may see; nil: all.
    package func list(
        of digest: Digest, in repository: Repository, types: [String]? = nil, limit: Int = 500
    ) async throws(QueueError) -> [AttestationRecord] {
        try await pool.rows(
            """
            SELECT \(unescaped: Self.columns), \(ArtifactRecords.statusColumns)
            FROM countersign.repository r
            JOIN countersign.target t ON t.repository_id = r.id
            JOIN countersign.attestation a ON a.target_id = t.id
            LEFT JOIN countersign.job j ON j.target_id = t.id
            WHERE r.registry = \(repository.registry)::text AND r.name = \(repository.name)::text
                AND t.digest = \(digest.description)::text
                AND (\(types)::text[] IS NULL OR a.predicate_type = ANY(\(types)::text[]))
            ORDER BY a.id DESC LIMIT \(Int64(limit))
            """
        ).values { try AttestationRecord($0, status: ArtifactStatus($0)) }
    }

    /// One attestation; nil if there is none of that id.
    package func attestation(_ id: Int64) async throws(QueueError) -> AttestationRecord? {
        try await found("a.id = \(id)")
    }

    /// The attestation that a target stands for.
    func attestation(of target: Target) async throws(QueueError) -> AttestationRecord? {
        try await found("a.target_id = \(target.id)")
    }

    private func found(_ condition: Query) async throws(QueueError) -> AttestationRecord? {
        try await pool.rows(
            """
            SELECT \(unescaped: Self.columns), \(ArtifactRecords.statusColumns)
            FROM countersign.attestation a
            JOIN countersign.target t ON t.id = a.target_id
            JOIN countersign.repository r ON r.id = t.repository_id
            LEFT JOIN countersign.job j ON j.target_id = t.id
            WHERE \(condition)
            """
        ).values { try AttestationRecord($0, status: ArtifactStatus($0)) }.first
    }
}

extension AttestationRecords {
    /// A document that was received and checked, and what it is about.
    struct Submission: Sendable {
        let digest: Digest
        let repository: Repository
        let type: PredicateType
        let facts: String
        let document: DocumentStore.Received
        let replaces: Bool
        /// How long it waits for its artifact.
        let wait: Duration
        let rule: String
        let policyVersion: String
        let audit: AuditLog.Entry
    }

    /// What a submission became.
    struct Taken: Sendable {
        let id: Int64
        /// Whether it was there before, and still counts.
        let isKnown: Bool
    }

    /// Makes a document an attestation, in one transaction with its audit row: when this returns, it cannot be lost.
    ///
    /// The same document, of the same type, about the same artifact is the same attestation; one that ended without a
    /// signature is tried again; one that was superseded is made anew, as the newest.
    func take(_ submission: Submission) async throws(QueueError) -> Taken {
        try await pool.together { session in
            let taken = try Self.store(submission, in: session)
            var entry = submission.audit
            entry.detail = "attestation \(taken.id)" + (submission.replaces ? ", replace" : "")
            try AuditLog.append(entry, in: session)
            return taken
        }
    }

    private static func store(_ submission: Submission, in session: Session) throws -> Taken {
        let purpose = Purpose.attestation(submission.type, document: submission.document.digest).rawValue
        let digest = submission.digest.description
        let repositoryID = try Self.repositoryID(of: submission.repository, in: session)
        // the same document sent twice at once becomes one attestation
        _ = try session.query(
            "SELECT pg_advisory_xact_lock(hashtextextended(\(purpose + digest)::text, \(Int64(repositoryID))))")
        let documentID = try DocumentStore.keep(submission.document, in: session)
        let latest = try session.query(
            """
            SELECT a.id, t.id AS target_id, t.generation, a.superseded_by IS NOT NULL AS superseded
            FROM countersign.target t JOIN countersign.attestation a ON a.target_id = t.id
            WHERE t.digest = \(digest)::text AND t.repository_id = \(repositoryID)::int
                AND t.purpose = \(purpose)::text
            ORDER BY t.generation DESC LIMIT 1
            """
        ).first
        var generation: Int32 = 0
        if let latest {
            if try !latest.decode("superseded", as: Bool.self) {
                return Taken(
                    id: try Self.retake(latest, submission, documentID: documentID, in: session), isKnown: true)
            }
            let last = try latest.decode("generation", as: Int32.self)
            guard last < .max else { throw QueueError.unreadable(table: "target", what: "generation \(last)") }
            generation = last + 1
        }
        return Taken(
            id: try Self.insert(
                submission, purpose, generation, repositoryID: repositoryID, documentID: documentID, in: session),
            isKnown: false)
    }

    private static func repositoryID(of repository: Repository, in session: Session) throws -> Int32 {
        let read: Query = """
            SELECT id FROM countersign.repository
            WHERE registry = \(repository.registry)::text AND name = \(repository.name)::text
            """
        if let row = try session.query(read).first { return try row.decode("id") }
        _ = try session.execute(
            """
            INSERT INTO countersign.repository (registry, name)
            VALUES (\(repository.registry)::text, \(repository.name)::text) ON CONFLICT DO NOTHING
            """)
        guard let row = try session.query(read).first else {
            throw QueueError.unreadable(table: "repository", what: "the row just written")
        }
        return try row.decode("id")
    }

    /// Sent again: what ended without a signature is due again, with its document; what has not ended yet waits for its artifact
    /// from now on, and whoever is working on it looks once more.
    private static func retake(
        _ row: Row, _ submission: Submission, documentID: Int64, in session: Session
    ) throws -> Int64 {
        let id: Int64 = try row.decode("id")
        let target: Int64 = try row.decode("target_id")
        let state = try held(target, in: session)
        _ = try session.execute("UPDATE countersign.attestation SET document_id = \(documentID) WHERE id = \(id)")
        switch state {
        case .signed, .revoked:
            return id
        case .queued, .signing, .waiting:
            _ = try session.execute(
                """
                UPDATE countersign.attestation SET expires_at = greatest(expires_at, now() + \(submission.wait)::interval)
                WHERE id = \(id)
                """)
        case .refused, .gone, .failed, .cancelled:
            _ = try session.execute(
                """
                UPDATE countersign.attestation
                SET expires_at = now() + \(submission.wait)::interval, token_id = \(submission.audit.tokenID)::bigint,
                    token_name = \(submission.audit.actor)::text
                WHERE id = \(id)
                """)
            _ = try session.execute(
                """
                UPDATE countersign.target
                SET state = 'queued', last_error = NULL, rule = \(submission.rule)::text,
                    policy_version = \(submission.policyVersion)::text, pushes = pushes + 1, pushed_at = now(),
                    updated_at = now()
                WHERE id = \(target)
                """)
            _ = try session.execute("DELETE FROM countersign.dead_letter WHERE target_id = \(target)")
        }
        try enqueue(target, in: session)
        return id
    }

    /// The state of a target that cannot change until the commit: its job is held first, as by whoever ends it.
    private static func held(_ target: Int64, in session: Session) throws -> TargetState {
        _ = try session.query("SELECT id FROM countersign.job WHERE target_id = \(target) FOR UPDATE")
        let rows = try session.query("SELECT state FROM countersign.target WHERE id = \(target) FOR NO KEY UPDATE")
        guard let state = try rows.first.flatMap({ TargetState(rawValue: try $0.decode("state")) }) else {
            throw QueueError.unreadable(table: "target", what: "the state of \(target)")
        }
        return state
    }

    private static func insert(
        _ submission: Submission, _ purpose: String, _ generation: Int32, repositoryID: Int32, documentID: Int64,
        in session: Session
    ) throws -> Int64 {
        let targets = try session.query(
            """
            INSERT INTO countersign.target (digest, repository_id, purpose, generation, rule, policy_version)
            VALUES (\(submission.digest.description)::text, \(repositoryID)::int, \(purpose)::text,
                \(generation)::int, \(submission.rule)::text, \(submission.policyVersion)::text)
            RETURNING id
            """)
        guard let target: Int64 = try targets.first?.decode("id") else {
            throw QueueError.unreadable(table: "target", what: "the row just written")
        }
        let rows = try session.query(
            """
            INSERT INTO countersign.attestation (target_id, predicate_type, format, facts, document_digest,
                document_size, document_id, replaces, expires_at, token_id, token_name)
            VALUES (\(target), \(submission.type.uri)::text, \(submission.type.format.rawValue)::text,
                \(submission.facts)::text, \(submission.document.digest)::text, \(Int64(submission.document.size)),
                \(documentID), \(submission.replaces), now() + \(submission.wait)::interval,
                \(submission.audit.tokenID)::bigint, \(submission.audit.actor)::text)
            RETURNING id
            """)
        guard let id: Int64 = try rows.first?.decode("id") else {
            throw QueueError.unreadable(table: "attestation", what: "the row just written")
        }
        try enqueue(target, in: session)
        return id
    }

    private static func enqueue(_ target: Int64, in session: Session) throws {
        _ = try session.execute(
            """
            INSERT INTO countersign.job (kind, target_id, repository_id, lane)
            SELECT \(JobKind.attest.rawValue)::text, id, repository_id, \(Lane.live.rawValue)::smallint
            FROM countersign.target WHERE id = \(target)
            ON CONFLICT (target_id) DO UPDATE SET
                pushed_again = job.leased, cancel_requested = false,
                run_at = CASE WHEN job.leased THEN job.run_at ELSE least(job.run_at, now()) END
            """)
    }
}
