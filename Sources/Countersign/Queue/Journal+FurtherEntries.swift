import FoundationEssentials
import Postgres
import Sigstore

/// The rows of entries in further logs. They are born with their evidence, and fenced like everything in the journal.
extension Journal {
    /// What a further log answered; what it answered first stands.
    func log(
        _ logged: Evidence.Logged, inFurther log: String, of evidence: Evidence, for claim: Claim
    ) async throws(QueueError) {
        try await mark(evidence, claim) { _ in
            """
            UPDATE countersign.further_entry f
            SET logged_at = now(), log_entry = \(logged.entry), log_id = \(logged.logID)::text,
                log_index = \(logged.logIndex), log_uuid = \(logged.logUUID)::text, integrated_at = \(logged.integratedAt)
            FROM countersign.evidence e
            WHERE f.evidence_id = \(evidence.id) AND f.log = \(log)::text AND f.logged_at IS NULL
                AND e.id = f.evidence_id AND e.logged_at IS NULL AND e.abandoned_at IS NULL
            RETURNING f.evidence_id
            """
        }
    }

    /// The logs' answers did not verify together: what of the further ones does not by itself is forgotten, so that it is asked
    /// for again as that of the row is. Nobody who answered lacks the entry: whoever finds none later is the first again.
    /// - Parameter logs: whose answers are forgotten.
    func forget(
        answersOf logs: [String], to evidence: Evidence, for claim: Claim
    ) async throws(QueueError) {
        try await pool.together { session in
            _ = try Self.fence(claim, in: session)
            _ = try session.execute(
                """
                UPDATE countersign.evidence SET first_missed_at = NULL
                WHERE id = \(evidence.id) AND first_missed_at IS NOT NULL AND logged_at IS NULL AND abandoned_at IS NULL
                """)
            guard !logs.isEmpty else { return }
            _ = try session.execute(
                """
                UPDATE countersign.further_entry f
                SET logged_at = NULL, log_entry = NULL, log_id = NULL, log_index = NULL, log_uuid = NULL, integrated_at = NULL,
                    first_missed_at = NULL
                FROM countersign.evidence e
                WHERE f.evidence_id = \(evidence.id) AND f.log = ANY(\(logs)::text[])
                    AND e.id = f.evidence_id AND e.logged_at IS NULL AND e.abandoned_at IS NULL
                """)
        }
    }

    /// The evidence with what its further logs are known to have answered by now.
    static func current(_ evidence: Evidence, in session: Session) throws -> Evidence {
        try session.query(
            "SELECT log, log_entry FROM countersign.further_entry WHERE evidence_id = \(evidence.id) AND log_entry IS NOT NULL"
        ).reduce(evidence) { known, row in
            known.logged(try TlogEntry(json: row.decode("log_entry")), inFurther: try row.decode("log"))
        }
    }

    /// One of the evidence's logs was asked and does not have the entry.
    /// - Returns: as ``noteMissing(inLog:for:)``, of that log.
    func noteMissing(
        _ evidence: Evidence, in log: String, for claim: Claim
    ) async throws(QueueError) -> Date {
        guard log != evidence.prepared.log else { return try await noteMissing(inLog: evidence, for: claim) }
        return try await pool.together { session in
            _ = try Self.fence(claim, in: session)
            let rows = try session.query(
                """
                UPDATE countersign.further_entry f SET first_missed_at = coalesce(f.first_missed_at, clock_timestamp())
                FROM countersign.evidence e
                WHERE f.evidence_id = \(evidence.id) AND f.log = \(log)::text AND f.logged_at IS NULL
                    AND e.id = f.evidence_id AND e.abandoned_at IS NULL
                RETURNING f.first_missed_at
                """)
            guard let row = rows.first else { throw QueueError.leaseLost(jobID: claim.jobID) }
            return try row.decode("first_missed_at")
        }
    }

    static func insert(
        _ further: Evidence.FurtherEntry, of evidenceID: Int64, by signer: (identity: String, issuer: String)?,
        in session: Session
    ) throws {
        let logged = try further.entry.map { Evidence.Logged(try TlogEntry(json: $0), bundle: nil) }
        _ = try session.execute(
            """
            INSERT INTO countersign.further_entry (evidence_id, log, log_request, logged_at, log_entry, log_id, log_index,
                log_uuid, integrated_at, identity, issuer)
            VALUES (\(evidenceID), \(further.log)::text, \(further.request),
                CASE WHEN \(logged?.entry)::bytea IS NOT NULL THEN now() END, \(logged?.entry)::bytea,
                \(logged?.logID)::text, \(logged?.logIndex)::bigint, \(logged?.logUUID)::text,
                \(logged?.integratedAt)::timestamptz, \(signer?.identity)::text, \(signer?.issuer)::text)
            """)
    }
}

extension Evidence.FurtherEntry {
    /// Those of a row of evidence, in the order in which they were written.
    static func all(_ row: Row) throws -> [Self] {
        guard let logs = try row.decode("further_logs", as: [String]?.self) else { return [] }
        let requests: [[UInt8]] = try row.decode("further_requests")
        let entries: [[UInt8]?] = try row.decode("further_entries")
        return zip(logs, zip(requests, entries)).map { Self(log: $0, request: $1.0, entry: $1.1) }
    }
}
