package import Postgres

/// Who did what, accepted or refused: one row for each act, never changed, chained to the row before (``AuditChain``).
package struct AuditLog: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// One act.
    package struct Entry: Sendable, Equatable {
        /// Dotted: `artifact.sign`, `attestation.upload` and `.supersede` (by a daemon), `job.cancel`, `job.retry`, `dead_letter.redrive`,
        /// `token.create`, `token.revoke`, `role.grant`, `log.clear_alarm` (by the database itself), `reconcile.request`,
        /// `alert.raise`, `artifact.adopt` and `retention.remove` (a daemon by itself), `alert.acknowledge`, `artifact.revoke`,
        /// `.release` and `.withdraw`, `batch.sign`, `.resign`, `.approve`, `.cancel`, `.resume` and `.retry`.
        package let action: String
        package let tokenID: Int64?
        /// The token's name.
        package let actor: String
        package var repository: String?
        /// The artifact, as it was asked for: a digest or a tag.
        package var subject: String?
        /// The predicate type; as it was asked for where it is none.
        package var type: String?
        /// Of the document, once it was read whole.
        package var digest: String?
        package var outcome: Outcome = .accepted
        /// Why it was refused, as the API said it.
        package var code: String?
        package var detail: String?

        package init(action: String, by principal: APITokens.Principal) {
            self.action = action
            tokenID = principal.tokenID
            actor = principal.name
        }

        /// Of the command line, which needs no token: whoever has the configuration has the database.
        package init(action: String, atCommandLineBy user: String) {
            self.action = action
            tokenID = nil
            actor = "command line: \(user)"
        }

        /// Of a daemon by itself.
        package init(action: String, byDaemon: Void) {
            self.action = action
            tokenID = nil
            actor = "daemon"
        }

        init(_ row: Row) throws {
            action = try row.decode("action")
            tokenID = try row.decode("token_id")
            actor = try row.decode("actor")
            repository = try row.decode("repository")
            subject = try row.decode("subject")
            type = try row.decode("type")
            digest = try row.decode("digest")
            outcome = try row.decode("outcome", as: String.self) == "accepted" ? .accepted : .refused
            code = try row.decode("code")
            detail = try row.decode("detail")
        }
    }

    package enum Outcome: String, Sendable { case accepted, refused }

    /// Writes one act that changed nothing else. What changed something is written with it: ``append(_:in:)``.
    package func append(_ entry: Entry) async throws(QueueError) {
        try await append([entry])
    }

    /// The same for several at once.
    package func append(_ entries: [Entry]) async throws(QueueError) {
        _ = try await pool.together { session in for entry in entries { try Self.append(entry, in: session) } }
    }

    /// Writes one act together with what it changed. Last in its transaction: from here to its end nobody else writes.
    static func append(_ entry: Entry, in session: Session) throws {
        _ = try session.execute(
            """
            INSERT INTO countersign.audit (token_id, actor, action, repository, subject, type, digest, outcome, code, detail)
            VALUES (\(entry.tokenID)::bigint, \(entry.actor.recorded(128))::text, \(entry.action)::text,
                \(entry.repository?.recorded(512))::text, \(entry.subject?.recorded(140))::text,
                \(entry.type?.recorded(500))::text, \(entry.digest)::text, \(entry.outcome.rawValue)::text,
                \(entry.code?.recorded(100))::text, \(entry.detail?.recorded(1000))::text)
            """)
    }
}
