import Postgres

/// What an operator may do to a batch that is there. Each is one commit with its audit row.
extension BatchRecords {
    /// What a command came to.
    package enum Command: Sendable, Equatable {
        case done(Batch)
        case unknown
        /// Its state does not allow it.
        case impossible(Batch)
        /// The person who asked for a batch cannot be the one who approves it.
        case ownRequest(Batch)
        /// A token of an OpenID Connect issuer is nobody's in particular.
        case notAPerson
    }

    /// Lets a proposed batch run: the word of a second person, by one of our own tokens. Who has several tokens is one person where
    /// they say so; so is who has a token of the same name, whatever that says: it may be the same one, made again. Tokens of an
    /// OpenID Connect issuer approve nothing: one pipeline has many of them, under many names.
    package func approve(_ id: Int64, by principal: APITokens.Principal) async throws(QueueError) -> Command {
        guard let approver = principal.tokenID else { return .notAPerson }
        return try await pool.together { session in
            let locked = try session.query(
                """
                SELECT coalesce(b.person, t.person, b.token_name) AS person, b.request_sha256,
                    b.token_id IS NOT DISTINCT FROM \(approver)::bigint OR b.token_name = \(principal.name)::text AS is_own
                FROM countersign.batch b LEFT JOIN countersign.api_token t ON t.id = b.token_id
                WHERE b.id = \(id) FOR UPDATE OF b
                """)
            guard let row = locked.first, let batch = try Self.batch(id, in: session) else { return .unknown }
            guard batch.state == .proposed else { return .impossible(batch) }
            let person: String = try row.decode("person")
            guard try person != principal.person && !row.decode("is_own", as: Bool.self) else {
                return .ownRequest(batch)
            }
            _ = try session.execute(
                """
                UPDATE countersign.batch SET state = 'running', approved_by = \(principal.name)::text, approved_at = now(),
                    started_at = now()
                WHERE id = \(id)
                """)
            let asked = batch.asked(as: try row.decode("request_sha256"))
            var entry = AuditLog.Entry(action: "batch.approve", by: principal)
            entry.subject = "batch \(id)"
            entry.detail = "asked for by \(batch.requestedBy), person \(person); \(asked)"
            try AuditLog.append(entry, in: session)
            return .done(try Self.batch(id, in: session) ?? batch)
        }
    }

    /// Stops a batch: nothing more of it enters the queue, and what waits there for it alone is taken back. What a worker
    /// has in hands ends by itself.
    package func cancel(_ id: Int64, by principal: APITokens.Principal) async throws(QueueError) -> Command {
        try await command("batch.cancel", id, principal) { batch, session in
            guard batch.state == .running || batch.state == .proposed else { return batch.state == .cancelled }
            _ = try session.execute("UPDATE countersign.batch SET state = 'cancelled' WHERE id = \(id)")
            return true
        }
    }

    /// Goes on with what was taken back. What is signed already is not signed again.
    package func resume(_ id: Int64, by principal: APITokens.Principal) async throws(QueueError) -> Command {
        try await command("batch.resume", id, principal) { batch, session in
            guard batch.state == .cancelled else { return batch.state == .running || batch.state == .proposed }
            try Self.reopen(id, results: ["cancelled"], in: session)
            return true
        }
    }

    /// Tries once more what failed, was refused or was gone.
    package func retryFailed(_ id: Int64, by principal: APITokens.Principal) async throws(QueueError) -> Command {
        try await command("batch.retry", id, principal) { batch, session in
            guard batch.state != .cancelled, batch.state != .proposed else { return false }
            try Self.reopen(id, results: ["failed", "refused", "gone"], in: session)
            return true
        }
    }

    /// - Parameter change: false when the batch's state does not allow it.
    private func command(
        _ action: String, _ id: Int64, _ principal: APITokens.Principal,
        _ change: @escaping @Sendable (Batch, Session) throws -> Bool
    ) async throws(QueueError) -> Command {
        try await pool.together { session in
            // whoever feeds the batch holds this lock for the length of a step
            _ = try session.query("SELECT id FROM countersign.batch WHERE id = \(id) FOR UPDATE")
            guard let batch = try Self.batch(id, in: session) else { return .unknown }
            guard try change(batch, session) else { return .impossible(batch) }
            var entry = AuditLog.Entry(action: action, by: principal)
            entry.subject = "batch \(id)"
            try AuditLog.append(entry, in: session)
            return .done(try Self.batch(id, in: session) ?? batch)
        }
    }

    /// Members with one of these results begin again; their targets are found anew, by the state they have then.
    private static func reopen(_ id: Int64, results: [String], in session: Session) throws {
        let reopened = try session.execute(
            """
            UPDATE countersign.batch_member
            SET result = NULL, ended_at = NULL, error = NULL, alone = NULL, target_id = NULL, is_new = false, failures = 0,
                due_at = now()
            WHERE batch_id = \(id) AND result = ANY(\(results)::text[])
            """)
        // nothing to try again leaves a batch that is done as it is
        _ = try session.execute(
            """
            UPDATE countersign.batch
            SET state = CASE WHEN state = 'done' AND \(Int64(reopened)) = 0 THEN state
                    WHEN needs_approval AND approved_at IS NULL THEN 'proposed' ELSE 'running' END,
                ended_at = CASE WHEN state = 'done' AND \(Int64(reopened)) = 0 THEN ended_at END,
                started_at = CASE WHEN \(Int64(reopened)) > 0 THEN now() ELSE started_at END
            WHERE id = \(id)
            """)
    }
}
