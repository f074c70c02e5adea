import FoundationEssentials
package import OCI
import Postgres

extension ArtifactRecords {
    /// What our ledger says a tag points at. It is as fresh as `tag.resolvedAt`; the registry may know better.
    ///
    /// A tag that was pushed again without a digest, or whose push still waits to be resolved, is not answered with what it
    /// pointed at before: then the status is that of the question where it points, and has no digest.
    package func status(ofTag tag: String, in repository: Repository) async throws(QueueError) -> ArtifactStatus? {
        let latest = try await pool.rows(
            """
            SELECT h.digest, h.seen_at, h.seen_at::text AS moved_at,
                j.id IS NOT NULL AND (h.digest IS NULL OR h.source = 'resolved' OR j.received_at > h.seen_at) AS is_open,
                CASE WHEN j.leased THEN 'signing' WHEN j.run_at > now() THEN 'waiting' ELSE 'queued' END AS state,
                j.received_at, j.attempt, CASE WHEN NOT j.leased THEN j.run_at END AS next_attempt_at,
                coalesce(j.last_error, d.error)::text AS last_error, d.job_id IS NOT NULL AS is_buried
            FROM countersign.repository r
            CROSS JOIN LATERAL (
                SELECT * FROM countersign.tag_history
                WHERE repository_id = r.id AND tag = \(tag)::text ORDER BY id DESC LIMIT 1) AS h
            LEFT JOIN LATERAL (
                -- written out, as the index has it: a plan for any kind cannot use that
                SELECT * FROM countersign.job
                WHERE repository_id = r.id AND tag = \(tag)::text AND kind = 'resolve' ORDER BY id DESC LIMIT 1) AS j ON true
            LEFT JOIN LATERAL (
                SELECT * FROM countersign.dead_letter
                WHERE repository_id = r.id AND tag = \(tag)::text AND target_id IS NULL AND received_at >= h.seen_at
                ORDER BY job_id DESC LIMIT 1) AS d ON true
            WHERE r.registry = \(repository.registry)::text AND r.name = \(repository.name)::text
            """
        ).values { try TagRow($0, tag: tag, repository: repository) }
        guard let latest = latest.first else { return nil }
        if let digest = latest.digest {
            var status = try await status(of: digest, in: repository)
            status?.tag = .init(name: tag, resolvedAt: latest.seenAt)
            return status
        }
        if let question = latest.question { return question }
        // a refused push, or a question that an operator cancelled
        return try await refusal(ofTag: tag, in: repository, since: latest.movedAt)
            ?? ArtifactStatus(tag: tag, in: repository, state: .cancelled, receivedAt: latest.seenAt, lastError: nil)
    }

    /// A refused push that named no digest.
    private func refusal(
        ofTag tag: String, in repository: Repository, since movedAt: String
    ) async throws(QueueError) -> ArtifactStatus? {
        try await pool.rows(
            """
            SELECT received_at, reason FROM countersign.event
            WHERE verdict = 'refused' AND digest IS NULL AND tag = \(tag)::text
                AND registry = \(repository.registry)::text AND repository = \(repository.name)::text
                AND received_at >= \(movedAt)::text::timestamptz
            ORDER BY received_at DESC LIMIT 1
            """
        ).values { row in
            ArtifactStatus(
                tag: tag, in: repository, state: .refused, receivedAt: try row.decode("received_at"),
                lastError: .refusedAtIntake(try row.decode("reason")))
        }.first
    }
}

/// The newest line of the ledger for a tag, with the job or the dead letter of the question where it points.
private struct TagRow {
    let seenAt: Date
    /// The same to the microsecond.
    let movedAt: String
    /// Only if that is what the tag means now.
    let digest: Digest?
    /// The status while the question is open, or was given up.
    let question: ArtifactStatus?

    init(_ row: Row, tag: String, repository: Repository) throws {
        seenAt = try row.decode("seen_at")
        movedAt = try row.decode("moved_at")
        let lastError = try row.decode("last_error", as: String?.self).map(Failure.init(json:))
        if try row.decode("is_open", as: Bool.self) {
            guard let state = TargetState(rawValue: try row.decode("state")) else {
                throw QueueError.unreadable(table: "job", what: "state")
            }
            digest = nil
            question = ArtifactStatus(
                tag: tag, in: repository, state: state, receivedAt: try row.decode("received_at"),
                attempts: Int(try row.decode("attempt", as: Int32.self)),
                nextAttemptAt: try row.decode("next_attempt_at"), lastError: lastError)
        } else {
            digest = try row.decode("digest", as: String?.self).map { try Digest($0) }
            question =
                try digest == nil && row.decode("is_buried", as: Bool.self)
                ? ArtifactStatus(
                    tag: tag, in: repository, state: .failed, receivedAt: seenAt, lastError: lastError) : nil
        }
    }
}

extension ArtifactStatus {
    /// Of a tag of which nobody knows where it points now.
    fileprivate init(
        tag: String, in repository: Repository, state: TargetState, receivedAt: Date, attempts: Int = 0,
        nextAttemptAt: Date? = nil, lastError: Failure?
    ) {
        self.init(
            targetID: nil, repository: repository, digest: nil, purpose: .signature, generation: 0, state: state,
            recheck: false, isBroken: false, tag: Tag(name: tag, resolvedAt: nil), mediaType: nil, rule: nil,
            policyVersion: nil,
            receivedAt: receivedAt, pushedAt: receivedAt, attempts: attempts, nextAttemptAt: nextAttemptAt,
            lastError: lastError, signature: nil)
    }
}
