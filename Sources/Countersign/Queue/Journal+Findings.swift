package import FoundationEssentials
import Postgres

/// What was found out about evidence that exists. Fenced like everything in the journal.
extension Journal {
    /// The registry accepted the manifest.
    package func published(_ evidence: Evidence, for claim: Claim) async throws(QueueError) {
        try await mark(evidence, claim) { targetID in
            """
            UPDATE countersign.attachment SET pushed_at = now(), removed_at = NULL, deleted_at = NULL
            WHERE evidence_id = \(evidence.id) AND target_id = \(targetID)
            RETURNING evidence_id
            """
        }
    }

    /// A check found that the registry does not hold the attachment any more; it will be pushed again.
    ///
    /// With it the target stops saying `signed`: its work is under way again (`signing`), and whatever becomes of this
    /// attempt, only the next ``Outcome/signed(_:)`` brings the word back.
    /// - Parameter what: that is missing; the attachment itself, unless it is something that belongs to it.
    package func missing(
        _ evidence: Evidence, _ what: String? = nil, for claim: Claim
    ) async throws(QueueError) {
        let attachment = evidence.attachment.map { " (\($0.digest))" } ?? ""
        let failure = Failure(
            code: "registry.referrer_missing", stage: "read_back",
            observed: "the registry does not serve \(what ?? "the \(evidence.format.rawValue)\(attachment)") any more",
            fix: "nothing: it is put back; if it vanishes again, exempt referrers from the registry's clean-up")
        try await pool.together { session in
            let targetID = try Self.fence(claim, in: session)
            let marked = try session.execute(
                """
                UPDATE countersign.attachment SET missing_at = coalesce(missing_at, now())
                WHERE evidence_id = \(evidence.id) AND target_id = \(targetID)
                """)
            guard marked == 1 else { throw QueueError.leaseLost(jobID: claim.jobID) }
            _ = try session.execute(
                """
                UPDATE countersign.target
                SET state = 'signing', last_error = \(try failure.json())::jsonb, updated_at = now()
                WHERE id = \(targetID) AND state = 'signed'
                """)
        }
    }

    /// The log was asked and does not have the entry.
    /// - Returns: when that was found first, by the database's clock (``databaseNow()``): now, unless it was before.
    package func noteMissing(inLog evidence: Evidence, for claim: Claim) async throws(QueueError) -> Date {
        try await pool.together { session in
            _ = try Self.fence(claim, in: session)
            let rows = try session.query(
                """
                UPDATE countersign.evidence SET first_missed_at = coalesce(first_missed_at, clock_timestamp())
                WHERE id = \(evidence.id) AND logged_at IS NULL AND abandoned_at IS NULL
                RETURNING first_missed_at
                """)
            guard let row = rows.first else { throw QueueError.leaseLost(jobID: claim.jobID) }
            return try row.decode("first_missed_at")
        }
    }

    /// A size that a log had shown before the evidence was made: no entry of it there has a smaller index. 0 where nothing is
    /// known of that time.
    func sizeOfLog(_ log: String, before evidence: Evidence) async throws(QueueError) -> Int64 {
        try await pool.rows(
            """
            SELECT coalesce(max(c.size), 0) AS size
            FROM countersign.evidence e JOIN countersign.log_checkpoint c ON c.seen_at < e.prepared_at
            WHERE e.id = \(evidence.id) AND c.log = \(log)::text
            """
        ).values { try $0.decode("size", as: Int64.self) }.first ?? 0
    }

    /// What time it is for every row in these tables.
    package func databaseNow() async throws(QueueError) -> Date {
        try await pool.databaseNow()
    }

    /// Whether the job was put back before because that upstream was not to be asked, and nothing of its target is logged yet.
    func waited(_ claim: Claim, for upstream: String, with target: Target) async throws(QueueError) -> Bool {
        let rows = try await pool.rows(
            """
            SELECT FROM countersign.job j
            WHERE j.id = \(claim.jobID) AND j.lease_token = \(claim.leaseToken) AND j.leased
                AND j.last_error->>'upstream' = \(upstream)::text
                AND NOT EXISTS (SELECT FROM countersign.evidence_target l JOIN countersign.evidence e ON e.id = l.evidence_id
                    WHERE l.target_id = \(target.id) AND l.live AND e.logged_at IS NOT NULL)
            """)
        return !rows.isEmpty
    }

    /// Gives evidence up, so that the target may be signed afresh. Only after the log was asked twice and does not know
    /// it and its certificate no longer covers it, or because what the log answered does not verify.
    ///
    /// - Parameter entry: what the log did take. It stays in the abandoned row: whoever watches the log for our identity
    ///   finds every entry here, also those that no artifact carries.
    package func abandon(
        _ evidence: Evidence, reason: String, entry: Evidence.Logged? = nil, for claim: Claim
    ) async throws(QueueError) {
        try await mark(evidence, claim) { targetID in
            """
            WITH freed AS (
                -- of a group all at once: what is wrong with the evidence is wrong with it for each of them
                UPDATE countersign.evidence_target SET live = false
                WHERE evidence_id = \(evidence.id) AND live
                    AND EXISTS (SELECT FROM countersign.evidence_target own
                        WHERE own.evidence_id = \(evidence.id) AND own.target_id = \(targetID) AND own.live)
                RETURNING evidence_id)
            UPDATE countersign.evidence
            SET abandoned_at = now(), abandon_reason = \(Failure.printable(reason, limit: 2_000))::text,
                logged_at = CASE WHEN \(entry?.entry)::bytea IS NOT NULL THEN coalesce(logged_at, now())
                    ELSE logged_at END,
                log_entry = coalesce(log_entry, \(entry?.entry)::bytea),
                log_id = coalesce(log_id, \(entry?.logID)::text),
                log_index = coalesce(log_index, \(entry?.logIndex)::bigint),
                log_uuid = coalesce(log_uuid, \(entry?.logUUID)::text),
                integrated_at = coalesce(integrated_at, \(entry?.integratedAt)::timestamptz)
            WHERE id = ANY(ARRAY(SELECT evidence_id FROM freed))
            RETURNING id
            """
        }
    }

    /// Runs a statement that returns the one row it is about, behind the fence.
    func mark(
        _ evidence: Evidence, _ claim: Claim, _ statement: @escaping @Sendable (_ targetID: Query) -> Query
    ) async throws(QueueError) {
        try await pool.together { session in
            let (_, answers) = try Self.fence(claim, and: [statement(Self.target(of: claim))], in: session)
            guard answers[0].count == 1 else { throw QueueError.leaseLost(jobID: claim.jobID) }
        }
    }
}
