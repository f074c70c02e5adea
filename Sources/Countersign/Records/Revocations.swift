import FailPoints
package import OCI
import Postgres

/// Digests that are not to be signed in a repository, until somebody releases them. A push, a batch, a command and adoption
/// all meet the same row: the newest target of the digest, which says `revoked`.
package struct Revocations: Sendable {
    let pool: ConnectionPool
    /// Told when there is something to take out of a registry, or to sign again.
    let queue: JobQueue

    package init(queue: JobQueue) {
        pool = queue.pool
        self.queue = queue
    }

    /// What is asked, by whom.
    package struct Request: Sendable {
        package let repository: Repository
        package let digest: Digest
        package let reason: String
        package let principal: APITokens.Principal

        package init(repository: Repository, digest: Digest, reason: String, principal: APITokens.Principal) {
            self.repository = repository
            self.digest = digest
            self.reason = reason
            self.principal = principal
        }
    }

    /// What is taken out of the lists of the registry, or out of the registry.
    package enum Removal: String, Sendable, CaseIterable {
        /// Nothing was asked to be.
        case none
        /// A job does it.
        case asked
        /// The registry lists nothing of ours any more.
        case removed
        /// Nor has it any of it: everything was a manifest of its own, and was deleted.
        case deleted
        /// The registry lists referrers by itself: only who may delete there can end that.
        case listed
    }

    /// Revokes a digest, pushed or not: in one commit with its audit row, the end of its job, and the job that takes out of
    /// the registry what was published, if that is asked. Asked again it changes only that.
    /// - Returns: whether it was not revoked before.
    package func revoke(_ request: Request, removing: Bool) async throws(QueueError) -> Bool {
        let isNew = try await pool.together { session in
            let target = try Self.newestTarget(of: request, in: session)
            try Self.mark(target.id, request, sparing: removing ? nil : .withdraw, in: session)
            let made = try session.query(
                """
                INSERT INTO countersign.revocation AS v (repository_id, digest, reason, token_name, removal)
                VALUES (\(target.repositoryID)::int, \(request.digest.description)::text,
                    \(request.reason)::text, \(request.principal.name)::text,
                    \((removing ? Removal.asked : .none).rawValue)::text)
                ON CONFLICT (repository_id, digest) WHERE released_at IS NULL
                DO UPDATE SET removal = CASE WHEN \(removing) THEN 'asked' ELSE v.removal END,
                    removed_at = CASE WHEN \(removing) THEN NULL ELSE v.removed_at END,
                    removal_error = CASE WHEN \(removing) THEN NULL ELSE v.removal_error END
                RETURNING xmax = 0 AS is_new
                """)
            if removing {
                try Self.order(.withdraw, of: target.id, in: session)
            } else {
                // what somebody asked for before goes on
                try Self.stopWork(on: target.id, sparing: .withdraw, in: session)
            }
            try Self.endAlerts(about: request, target.repositoryID, in: session)
            try AuditLog.append(Self.entry("artifact.revoke", request, removing ? "remove; " : ""), in: session)
            return try made.first?.decode("is_new", as: Bool.self) ?? false
        }
        queue.notifier.jobsAreDue()
        return isNew
    }

    /// Lifts a revocation. What had been pushed is queued under the present policy: a signature that was taken out of the
    /// lists is put back, not made again. So are its attestations, and those that waited for it when it was revoked.
    /// - Returns: false when none is in force.
    package func release(_ request: Request) async throws(QueueError) -> Bool {
        try FailPoint.release.before(QueueError.injected)
        let released = try await pool.together { session in
            // the job before the revocation, as whoever cancels or ends a withdrawal has it
            try Self.lockWork(on: request, in: session)
            let ended = try session.query(
                """
                UPDATE countersign.revocation v
                SET released_at = now(), released_by = \(request.principal.name)::text,
                    release_reason = \(request.reason)::text,
                    removal = CASE WHEN v.removal = 'asked' THEN 'none' ELSE v.removal END
                FROM countersign.repository r
                WHERE r.id = v.repository_id AND r.registry = \(request.repository.registry)::text
                    AND r.name = \(request.repository.name)::text AND v.digest = \(request.digest.description)::text
                    AND v.released_at IS NULL
                RETURNING v.id
                """)
            guard !ended.isEmpty else { return false }
            let target = try Self.newestTarget(of: request, in: session)
            _ = try session.execute(
                """
                UPDATE countersign.target
                SET state = CASE WHEN pushes > 0 THEN 'queued' ELSE 'cancelled' END, last_error = NULL, updated_at = now()
                WHERE id = \(target.id) AND state = 'revoked'
                """)
            // a withdrawal that was given up is nothing to be taken up again
            _ = try session.execute(
                """
                DELETE FROM countersign.dead_letter
                WHERE target_id = \(target.id) AND kind = \(JobKind.withdraw.rawValue)::text
                """)
            if target.wasPushed {
                try Self.order(.sign, of: target.id, in: session)
            } else {
                try Self.stopWork(on: target.id, in: session)
            }
            _ = try session.query(
                JobQueue.takingUpAttestations(of: request.digest, target.repositoryID, in: .default))
            try AuditLog.append(Self.entry("artifact.release", request), in: session)
            return true
        }
        try FailPoint.release.after(QueueError.injected)
        if released { queue.notifier.jobsAreDue() }
        return released
    }

    private static func entry(_ action: String, _ request: Request, _ words: String = "") -> AuditLog.Entry {
        var entry = AuditLog.Entry(action: action, by: request.principal)
        entry.repository = request.repository.description
        entry.subject = request.digest.description
        entry.detail = words + "reason: " + request.reason
        return entry
    }
}

extension Revocations {
    private struct Found {
        let id: Int64
        let repositoryID: Int32
        let wasPushed: Bool
    }

    private static func newest(of request: Request) -> Query {
        """
        SELECT t.id FROM countersign.target t JOIN countersign.repository r ON r.id = t.repository_id
        WHERE r.registry = \(request.repository.registry)::text AND r.name = \(request.repository.name)::text
            AND t.digest = \(request.digest.description)::text AND t.purpose = \(Purpose.signature.rawValue)::text
        ORDER BY t.generation DESC LIMIT 1
        """
    }

    private static func lockWork(on request: Request, in session: Session) throws {
        _ = try session.query(
            "SELECT id FROM countersign.job WHERE target_id = ANY(ARRAY(\(newest(of: request)))) ORDER BY id FOR UPDATE"
        )
    }

    /// The newest target of the digest, locked after its job, in the order of a push; made if nobody ever pushed it.
    private static func newestTarget(of request: Request, in session: Session) throws -> Found {
        let (registry, name) = (request.repository.registry, request.repository.name)
        _ = try session.execute(
            """
            INSERT INTO countersign.repository (registry, name)
            SELECT \(registry)::text, \(name)::text
            WHERE NOT EXISTS (SELECT FROM countersign.repository
                WHERE registry = \(registry)::text AND name = \(name)::text)
            ON CONFLICT DO NOTHING
            """)
        let newest = newest(of: request)
        try lockWork(on: request, in: session)
        _ = try session.execute(
            """
            INSERT INTO countersign.target (digest, repository_id, purpose, state, rule, policy_version, pushes)
            SELECT \(request.digest.description)::text, r.id, \(Purpose.signature.rawValue)::text, 'revoked', '-', '-', 0
            FROM countersign.repository r
            WHERE r.registry = \(registry)::text AND r.name = \(name)::text AND NOT EXISTS (\(newest))
            ON CONFLICT DO NOTHING
            """)
        let rows = try session.query(
            """
            SELECT id, repository_id, pushes > 0 AS was_pushed FROM countersign.target
            WHERE id = ANY(ARRAY(\(newest))) FOR NO KEY UPDATE
            """)
        guard let row = rows.first else { throw QueueError.unreadable(table: "target", what: "the row just written") }
        return Found(
            id: try row.decode("id"), repositoryID: try row.decode("repository_id"),
            wasPushed: try row.decode("was_pushed"))
    }

    private static func mark(
        _ target: Int64, _ request: Request, sparing kind: JobKind?, in session: Session
    ) throws {
        let error = try Failure(
            code: Lineage.revokedCode, stage: SigningStage.authorise.rawValue,
            observed: "revoked by \(request.principal.name): \(request.reason)",
            fix: "countersign release, if it may be signed again"
        ).json()
        _ = try session.execute(
            """
            UPDATE countersign.target SET state = 'revoked', last_error = \(error)::jsonb, updated_at = now()
            WHERE id = \(target)
            """)
        _ = try session.execute(
            """
            DELETE FROM countersign.dead_letter
            WHERE target_id = \(target) AND kind IS DISTINCT FROM \(kind?.rawValue)::text
            """)
    }

    /// Makes this the target's work: at once, or, where a worker has it in hands, at the end of that attempt. By itself and not
    /// behind the backlog of a batch, whatever the job was before: somebody waits for it.
    private static func order(_ kind: JobKind, of target: Int64, in session: Session) throws {
        _ = try session.execute(
            """
            INSERT INTO countersign.job AS j (kind, target_id, repository_id, lane)
            SELECT \(kind.rawValue)::text, id, repository_id, \(Lane.default.rawValue)::smallint
            FROM countersign.target WHERE id = \(target)
            ON CONFLICT (target_id) DO UPDATE SET kind = excluded.kind, pushed_again = j.leased, cancel_requested = false,
                lane = least(j.lane, excluded.lane), group_id = NULL,
                run_at = CASE WHEN j.leased THEN j.run_at ELSE now() END
            """)
    }

    /// Ends the target's job, unless it is of the kind that is spared; one that runs ends at its next step.
    private static func stopWork(on target: Int64, sparing kind: JobKind? = nil, in session: Session) throws {
        let work: Query = "target_id = \(target) AND kind IS DISTINCT FROM \(kind?.rawValue)::text"
        _ = try session.execute(
            "UPDATE countersign.job SET cancel_requested = true, pushed_again = false WHERE \(work) AND leased")
        _ = try session.execute("DELETE FROM countersign.job WHERE \(work) AND NOT leased")
    }

    /// Nothing that was published of it is looked at any more, attestations among it.
    private static func endAlerts(about request: Request, _ repositoryID: Int32, in session: Session) throws {
        let targets = try session.query(
            """
            SELECT id FROM countersign.target
            WHERE digest = \(request.digest.description)::text AND repository_id = \(repositoryID)::int
            """
        ).map { try $0.decode("id", as: Int64.self) }
        try SignatureAlarm.end(about: targets, in: session)
    }
}
