import FoundationEssentials
import OCI
package import Postgres

/// What was made of a target so far, so that a restart goes on instead of signing twice.
///
/// | written | before | found by the next attempt |
/// |---|---|---|
/// | ``prepare(_:for:)`` (commit point 1) | anything is sent to the log | sends the same bytes |
/// | ``log(_:attachment:of:for:)`` (commit point 2) | anything is pushed | pushes the same manifest |
/// | ``published(_:for:)`` | read back | reads back |
///
/// Every write is fenced by the claim: an attempt that lost its lease writes nothing.
package struct Journal: Sendable {
    private let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// The live evidence of a target, if there is any.
    package func evidence(
        of target: Target, format: Evidence.Format = .bundle
    ) async throws(QueueError) -> Evidence? {
        try await pool.rows(Self.liveEvidence(of: target.id, format: format)).values(Evidence.init).first
    }

    /// Commit point 1. Nothing may be sent to the log before this returns.
    ///
    /// - Returns: the live evidence of the target: the one just written, or the one that was there already. Go on with
    ///   what is returned and forget the rest: a signature that is not stored was never made.
    package func prepare(_ prepared: Evidence.Prepared, for claim: Claim) async throws(QueueError) -> Evidence {
        try await pool.together { session in
            let targetID = try Self.fence(claim, in: session)
            let live = Self.liveEvidence(of: targetID, format: prepared.format)
            if let existing = try session.query(live).first { return try Evidence(existing) }
            let rows = try session.query(
                """
                WITH made AS (
                    INSERT INTO countersign.evidence (format, payload, signature, certificate_chain,
                        certificate_not_after, timestamp_token, log, log_request)
                    VALUES (\(prepared.format.rawValue)::text, \(prepared.payload), \(prepared.signature),
                        \(prepared.certificateChain)::bytea[], \(prepared.certificateNotAfter),
                        \(prepared.timestampToken), \(prepared.log)::text, \(prepared.logRequest))
                    RETURNING id, format)
                INSERT INTO countersign.evidence_target (evidence_id, target_id, format)
                SELECT id, \(targetID), format FROM made
                RETURNING evidence_id
                """)
            guard let row = rows.first else { throw QueueError.leaseLost(jobID: claim.jobID) }
            return Evidence(id: try row.decode("evidence_id"), prepared: prepared, logged: nil, attachment: nil)
        }
    }

    /// Commit point 2: the log's answer, and the manifest that will carry it, rendered once.
    ///
    /// - Returns: the evidence as stored. If an earlier attempt came this far already, its entry and manifest stand.
    package func log(
        _ logged: Evidence.Logged, attachment: Evidence.Attachment, of evidence: Evidence, for claim: Claim
    ) async throws(QueueError) -> Evidence {
        try await pool.together { session in
            let targetID = try Self.fence(claim, in: session)
            _ = try session.execute(
                """
                UPDATE countersign.evidence
                SET logged_at = now(), log_entry = \(logged.entry), log_id = \(logged.logID)::text,
                    log_index = \(logged.logIndex), log_uuid = \(logged.logUUID)::text,
                    integrated_at = \(logged.integratedAt), bundle = \(logged.bundle)
                WHERE id = \(evidence.id) AND logged_at IS NULL AND abandoned_at IS NULL
                """)
            _ = try session.execute(
                """
                INSERT INTO countersign.attachment (evidence_id, target_id, format, manifest, media_type, digest)
                SELECT e.evidence_id, e.target_id, e.format, \(attachment.manifest), \(attachment.mediaType)::text,
                    \(attachment.digest.description)::text
                FROM countersign.evidence_target e
                WHERE e.evidence_id = \(evidence.id) AND e.target_id = \(targetID) AND e.live
                ON CONFLICT (evidence_id, target_id) DO NOTHING
                """)
            let live = Self.liveEvidence(of: targetID, format: evidence.format)
            guard let row = try session.query(live).first, try row.decode("id", as: Int64.self) == evidence.id else {
                // abandoned by another attempt: this one's evidence is not the target's any more
                throw QueueError.leaseLost(jobID: claim.jobID)
            }
            return try Evidence(row)
        }
    }

    /// The registry accepted the manifest.
    package func published(_ evidence: Evidence, for claim: Claim) async throws(QueueError) {
        try await mark(evidence, claim) { targetID in
            """
            UPDATE countersign.attachment SET pushed_at = now()
            WHERE evidence_id = \(evidence.id) AND target_id = \(targetID)
            """
        }
    }

    /// A check found that the registry does not hold the attachment any more; it will be pushed again.
    package func missing(_ evidence: Evidence, for claim: Claim) async throws(QueueError) {
        try await mark(evidence, claim) { targetID in
            """
            UPDATE countersign.attachment SET missing_at = coalesce(missing_at, now())
            WHERE evidence_id = \(evidence.id) AND target_id = \(targetID)
            """
        }
    }

    /// Gives prepared evidence up, so that the target may be signed afresh. Only after the log was asked twice and does
    /// not know it, and its certificate no longer covers it: what is abandoned must never turn up in the log unexplained.
    package func abandon(_ evidence: Evidence, reason: String, for claim: Claim) async throws(QueueError) {
        try await mark(evidence, claim) { targetID in
            """
            WITH freed AS (
                UPDATE countersign.evidence_target SET live = false
                WHERE evidence_id = \(evidence.id) AND target_id = \(targetID) AND live RETURNING evidence_id)
            UPDATE countersign.evidence SET abandoned_at = now(), abandon_reason = \(reason)::text
            WHERE id = ANY(ARRAY(SELECT evidence_id FROM freed))
                AND NOT EXISTS (SELECT FROM countersign.evidence_target o
                    WHERE o.evidence_id = \(evidence.id) AND o.target_id <> \(targetID) AND o.live)
            """
        }
    }

    private func mark(
        _ evidence: Evidence, _ claim: Claim, _ statement: @escaping @Sendable (_ targetID: Int64) -> Query
    ) async throws(QueueError) {
        try await pool.together { session in
            let targetID = try Self.fence(claim, in: session)
            guard try session.execute(statement(targetID)) == 1 else { throw QueueError.leaseLost(jobID: claim.jobID) }
        }
    }

    /// Locks the claim's job for the rest of the transaction, if it is still this attempt's and its lease runs.
    private static func fence(_ claim: Claim, in session: Session) throws -> Int64 {
        let rows = try session.query(
            """
            SELECT target_id FROM countersign.job
            WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased
                AND lease_expires_at > clock_timestamp() AND target_id IS NOT NULL
            FOR UPDATE
            """)
        guard let row = rows.first else { throw QueueError.leaseLost(jobID: claim.jobID) }
        return try row.decode("target_id")
    }

    private static func liveEvidence(of targetID: Int64, format: Evidence.Format) -> Query {
        """
        SELECT e.id, e.format, e.payload, e.signature, e.certificate_chain, e.certificate_not_after, e.timestamp_token,
            e.log, e.log_request, e.logged_at IS NOT NULL AS is_logged, e.log_entry, e.log_id, e.log_index, e.log_uuid,
            e.integrated_at, e.bundle, a.manifest, a.media_type, a.digest, a.pushed_at, a.verified_at
        FROM countersign.evidence_target l
        JOIN countersign.evidence e ON e.id = l.evidence_id
        LEFT JOIN countersign.attachment a ON a.evidence_id = l.evidence_id AND a.target_id = l.target_id
        WHERE l.target_id = \(targetID) AND l.format = \(format.rawValue)::text AND l.live
        """
    }
}

extension Evidence {
    fileprivate init(_ row: Row) throws {
        guard let format = Format(rawValue: try row.decode("format")) else {
            throw QueueError.unreadable(table: "evidence", what: "format")
        }
        id = try row.decode("id")
        prepared = Prepared(
            format: format, payload: try row.decode("payload"), signature: try row.decode("signature"),
            certificateChain: try row.decode("certificate_chain"),
            certificateNotAfter: try row.decode("certificate_not_after"),
            timestampToken: try row.decode("timestamp_token"), log: try row.decode("log"),
            logRequest: try row.decode("log_request"))
        logged =
            try row.decode("is_logged", as: Bool.self)
            ? Logged(
                entry: try row.decode("log_entry"), logID: try row.decode("log_id"),
                logIndex: try row.decode("log_index"), logUUID: try row.decode("log_uuid"),
                integratedAt: try row.decode("integrated_at"), bundle: try row.decode("bundle")) : nil
        let manifest: [UInt8]? = try row.decode("manifest")
        attachment = try manifest.map {
            Attachment(
                manifest: $0, mediaType: try row.decode("media_type"),
                digest: try Digest(try row.decode("digest", as: String.self)),
                pushedAt: try row.decode("pushed_at"), verifiedAt: try row.decode("verified_at"))
        }
    }
}
