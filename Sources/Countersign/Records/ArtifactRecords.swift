import FoundationEssentials
package import OCI
package import Postgres

/// Reads for the status API, the command line and the metrics. One row or one page each, never a scan of the permanent
/// table.
package struct ArtifactRecords: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// What ``ArtifactStatus`` is read from: of a target `t`, its repository `r` and its job `j`, if it has one.
    static var statusColumns: Query {
        """
        t.id, t.digest, r.registry, r.name, t.purpose, t.generation, t.state, t.media_type, t.rule,
        t.policy_version, t.received_at, t.pushed_at, t.attempts, t.last_error::text AS last_error, t.identity,
        t.issuer, t.log_id, t.log_index, t.log_uuid, t.integrated_at, t.referrer_digest, t.signed_at,
        t.verified_at, j.id IS NOT NULL AS has_job, CASE WHEN NOT j.leased THEN j.run_at END AS next_attempt_at,
        t.state = 'signed' AND \(SignatureAlarm.isRaised) AS is_broken, \(SignatureFormat.asked) AS asked_formats,
        CASE WHEN t.signed_at IS NOT NULL THEN \(SignatureFormat.served) END AS served_formats
        """
    }

    /// The newest generation of a target; else the last refusal of that digest, if it was ever pushed.
    package func status(
        of digest: Digest, in repository: Repository, purpose: Purpose = .signature
    ) async throws(QueueError) -> ArtifactStatus? {
        let found = try await pool.rows(
            """
            SELECT \(Self.statusColumns)
            FROM countersign.repository r
            JOIN countersign.target t ON t.repository_id = r.id
            LEFT JOIN countersign.job j ON j.target_id = t.id
            WHERE r.registry = \(repository.registry)::text AND r.name = \(repository.name)::text
                AND t.digest = \(digest.description)::text AND t.purpose = \(purpose.rawValue)::text
            ORDER BY t.generation DESC LIMIT 1
            """
        ).values(ArtifactStatus.init).first
        if let found { return found }
        return try await refusal(of: digest, in: repository)
    }

    /// A push that was refused at intake left only its event. Visible for as long as events are kept.
    private func refusal(of digest: Digest, in repository: Repository) async throws(QueueError) -> ArtifactStatus? {
        try await pool.rows(
            """
            SELECT received_at, reason, media_type, policy_version FROM countersign.event
            WHERE verdict = 'refused' AND digest = \(digest.description)::text
                AND registry = \(repository.registry)::text AND repository = \(repository.name)::text
            ORDER BY received_at DESC LIMIT 1
            """
        ).values { row in
            let receivedAt: Date = try row.decode("received_at")
            return ArtifactStatus(
                targetID: nil, repository: repository, digest: digest, purpose: .signature, generation: 0,
                state: .refused, recheck: false, isBroken: false, tag: nil, mediaType: try row.decode("media_type"),
                rule: nil,
                policyVersion: try row.decode("policy_version"), receivedAt: receivedAt, pushedAt: receivedAt,
                attempts: 0, nextAttemptAt: nil,
                lastError: .refusedAtIntake(try row.decode("reason")),
                signature: nil)
        }.first
    }
}

extension ArtifactStatus {
    init(_ row: Row) throws {
        guard let state = TargetState(rawValue: try row.decode("state")) else {
            throw QueueError.unreadable(table: "target", what: "state")
        }
        let signedAt: Date? = try row.decode("signed_at")
        self.init(
            targetID: try row.decode("id"),
            repository: try Repository(registry: try row.decode("registry"), name: try row.decode("name")),
            digest: try Digest(try row.decode("digest", as: String.self)),
            purpose: Purpose(rawValue: try row.decode("purpose")), generation: try row.decode("generation"),
            state: state, recheck: try row.decode("has_job", as: Bool.self) && state == .signed,
            isBroken: try row.decode("is_broken"), tag: nil, formats: try row.formats("asked_formats"),
            mediaType: try row.decode("media_type"),
            rule: try row.decode("rule"),
            policyVersion: try row.decode("policy_version"), receivedAt: try row.decode("received_at"),
            pushedAt: try row.decode("pushed_at"), attempts: Int(try row.decode("attempts", as: Int32.self)),
            nextAttemptAt: try row.decode("next_attempt_at"),
            lastError: try row.decode("last_error", as: String?.self).map(Failure.init(json:)),
            signature: try signedAt.map { try Signature(row, signedAt: $0) })
    }
}

extension ArtifactStatus.Signature {
    fileprivate init(_ row: Row, signedAt: Date) throws {
        self.init(
            identity: try row.decode("identity"), issuer: try row.decode("issuer"), logID: try row.decode("log_id"),
            logIndex: try row.decode("log_index"), logUUID: try row.decode("log_uuid"),
            integratedAt: try row.decode("integrated_at"),
            referrer: try Digest(try row.decode("referrer_digest", as: String.self)), signedAt: signedAt,
            formats: try row.formats("served_formats") ?? [], verifiedAt: try row.decode("verified_at"))
    }
}

extension Failure {
    static func refusedAtIntake(_ reason: String) -> Failure {
        Failure(
            code: SigningPolicy.refusedCode, stage: "intake", observed: reason,
            fix: "allow it in the endpoint's repositories or the policy, then push again")
    }
}
