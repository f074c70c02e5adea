import FoundationEssentials
import OCI
package import Postgres

/// What was made of a target so far, so that a restart goes on instead of signing twice.
///
/// | written | before | found by the next attempt |
/// |---|---|---|
/// | ``prepare(_:for:within:)`` (commit point 1) | anything is sent to the log | sends the same bytes |
/// | ``log(_:inFurther:of:for:)``, of several logs | the next one is asked | asks the others only |
/// | ``log(_:attachment:of:for:)`` (commit point 2) | anything is pushed | pushes the same manifest |
/// | ``published(_:for:)`` | read back | reads back |
///
/// What a registry holds already skips to the last row in one step: ``adopt(_:_:attachment:for:)``. Every write is fenced
/// by the claim: an attempt that lost its lease writes nothing.
package struct Journal: Sendable {
    let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// The live evidence of a target, at most one in each format.
    package func liveEvidence(of target: Target) async throws(QueueError) -> [Evidence.Format: Evidence] {
        let found = try await pool.rows(Self.liveEvidence(ofTarget: "\(target.id)")).values(Evidence.init)
        return Dictionary(found.map { ($0.format, $0) }) { first, _ in first }
    }

    /// The live evidence of a target in one format, if there is any.
    package func evidence(
        of target: Target, format: Evidence.Format = .bundle
    ) async throws(QueueError) -> Evidence? {
        try await liveEvidence(of: target)[format]
    }

    /// Commit point 1, for all formats of one signing event. Nothing may be sent to a log before this returns.
    ///
    /// - Parameter caps: under which what is written is counted.
    /// - Returns: the live evidence of the target in each of these formats: the one just written, or the one that was there
    ///   already. Go on with what is returned and forget the rest: a signature that is not stored was never made. What was
    ///   there is not believed either (``Evidence/isFoundUnlogged``): somebody else wrote it.
    package func prepare(
        _ prepared: [Evidence.Prepared], for claim: Claim, within caps: RepositoryCaps
    ) async throws(QueueError) -> [Evidence] {
        try await pool.together { session in
            let (targetID, answers) = try Self.fence(claim, and: [Self.liveEvidence(of: claim)], in: session)
            let existing = try answers[0].map(Evidence.init)
            if let target = claim.target {
                let made = prepared.count { prepared in !existing.contains { $0.format == prepared.format } }
                try caps.count(made, of: target, in: session)
            }
            return try prepared.map { prepared in
                if let existing = existing.first(where: { $0.format == prepared.format }) { return existing }
                let id = try Self.insert(prepared, of: [targetID], in: session)
                return Evidence(id: id, prepared: prepared, logged: nil, attachment: nil, firstMissedAt: nil).admitted
            }
        }
    }

    /// Commit point 2: the log's answer, and the manifest that will carry it, rendered once.
    ///
    /// - Returns: the evidence as stored. If an earlier attempt came this far already, its entry and manifest stand.
    package func log(
        _ logged: Evidence.Logged, attachment: Evidence.Attachment, of evidence: Evidence, for claim: Claim
    ) async throws(QueueError) -> Evidence {
        try await pool.together { session in
            let records = Self.records(logged, attachment, of: evidence.id, claim)
            let (_, written) = try Self.fence(claim, and: records, in: session)
            // both rows are this attempt's, of evidence that is live: what is stored need not be read to be known
            if written.allSatisfy({ $0.count == 1 }) {
                return Evidence(
                    id: evidence.id, prepared: evidence.prepared, logged: logged, attachment: attachment,
                    firstMissedAt: evidence.firstMissedAt)
            }
            let live = try session.query(Self.liveEvidence(of: claim)).map(Evidence.init)
            guard let stored = live.first(where: { $0.format == evidence.format }), stored.id == evidence.id else {
                // abandoned by another attempt: this one's evidence is not the target's any more
                throw QueueError.leaseLost(jobID: claim.jobID)
            }
            return stored
        }
    }
}

extension Journal {
    /// Locks the claim's job for the rest of the transaction, if it is still this attempt's and its lease runs.
    /// - Returns: the id of its target.
    /// - Throws: ``QueueError/revoked(jobID:)`` to whoever would go on signing what was revoked meanwhile.
    static func fence(_ claim: Claim, in session: Session) throws -> Int64 {
        try fence(claim, and: [], in: session).targetID
    }

    /// The same, with statements that go out behind the lock in the same round trip: they see what is locked as it is.
    /// Only for what may also be done in vain, because the transaction ends if the fence does not let it through.
    static func fence(
        _ claim: Claim, and more: [Query], in session: Session
    ) throws -> (targetID: Int64, answers: [[Row]]) {
        let answers = try session.pipeline([lock(claim), revocation(of: claim)] + more)
        guard let row = answers[0].first else { throw QueueError.leaseLost(jobID: claim.jobID) }
        if !claim.kind.worksOnRevoked, try answers[1].first?.decode("is_revoked") ?? false {
            throw QueueError.revoked(jobID: claim.jobID)
        }
        return (try row.decode("target_id"), Array(answers.dropFirst(2)))
    }

    private static func lock(_ claim: Claim) -> Query {
        """
        SELECT target_id FROM countersign.job
        WHERE id = \(claim.jobID) AND lease_token = \(claim.leaseToken) AND leased
            AND lease_expires_at > clock_timestamp()
        FOR UPDATE
        """
    }

    /// Whether the digest of the claim's target is revoked, whatever its generation or purpose.
    ///
    /// A statement of its own, after the lock: what waited for a lock reads the locked row anew and no other, and would
    /// take the state of before the revocation for the present one.
    private static func revocation(of claim: Claim) -> Query {
        """
        SELECT t.state = 'revoked' OR EXISTS (SELECT FROM countersign.revocation v
            WHERE v.repository_id = t.repository_id AND v.digest = t.digest AND v.released_at IS NULL) AS is_revoked
        FROM countersign.target t WHERE t.id = \(target(of: claim))
        """
    }

    /// `logged` where the entry was there first: a row without a request must be born with its entry.
    static func insert(
        _ prepared: Evidence.Prepared, logged: Evidence.Logged? = nil, of targets: [Int64], in session: Session
    ) throws -> Int64 {
        let signer = prepared.signer
        let rows = try session.query(
            """
            WITH made AS (
                INSERT INTO countersign.evidence (format, payload, signature, certificate_chain, certificate_not_after,
                    timestamp_token, further_timestamps, log, log_request, logged_at, log_entry, log_id, log_index,
                    log_uuid, integrated_at, bundle, identity, issuer, subjects)
                VALUES (\(prepared.format.rawValue)::text, \(prepared.payload), \(prepared.signature),
                    \(prepared.certificateChain)::bytea[], \(prepared.certificateNotAfter), \(prepared.timestamps.first),
                    \(Array(prepared.timestamps.dropFirst()))::bytea[], \(prepared.log)::text, \(prepared.logRequest),
                    CASE WHEN \(logged?.entry)::bytea IS NOT NULL THEN now() END, \(logged?.entry)::bytea,
                    \(logged?.logID)::text, \(logged?.logIndex)::bigint, \(logged?.logUUID)::text,
                    \(logged?.integratedAt)::timestamptz, \(logged?.bundle)::bytea,
                    \(signer?.identity)::text, \(signer?.issuer)::text, \(Int32(prepared.subjects)))
                RETURNING id, format)
            INSERT INTO countersign.evidence_target (evidence_id, target_id, format)
            SELECT made.id, covered.id, made.format FROM made, unnest(\(targets)::bigint[]) AS covered(id)
            RETURNING evidence_id
            """)
        guard let row = rows.first else { throw QueueError.unreadable(table: "evidence", what: "the row just written") }
        let id: Int64 = try row.decode("evidence_id")
        for further in prepared.further { try insert(further, of: id, by: signer, in: session) }
        return id
    }

    /// Entry and manifest, as statements to go out behind the fence.
    static func records(
        _ logged: Evidence.Logged, _ attachment: Evidence.Attachment, of evidenceID: Int64, _ claim: Claim
    ) -> [Query] {
        [
            """
            UPDATE countersign.evidence
            SET logged_at = now(), log_entry = \(logged.entry), log_id = \(logged.logID)::text,
                log_index = \(logged.logIndex), log_uuid = \(logged.logUUID)::text,
                integrated_at = \(logged.integratedAt), bundle = \(logged.bundle), logged_whole = true
            WHERE id = \(evidenceID) AND logged_at IS NULL AND abandoned_at IS NULL
            RETURNING id
            """,
            """
            INSERT INTO countersign.attachment (evidence_id, target_id, format, manifest, media_type, digest)
            SELECT e.evidence_id, e.target_id, e.format, \(attachment.manifest), \(attachment.mediaType)::text,
                \(attachment.digest.description)::text
            FROM countersign.evidence_target e
            WHERE e.evidence_id = \(evidenceID) AND e.target_id = \(target(of: claim)) AND e.live
            ON CONFLICT (evidence_id, target_id) DO NOTHING
            RETURNING evidence_id
            """,
        ]
    }

    /// The target of a claim's job, within a statement.
    static func target(of claim: Claim) -> Query {
        "(SELECT j.target_id FROM countersign.job j WHERE j.id = \(claim.jobID))"
    }

    static func liveEvidence(of claim: Claim) -> Query { liveEvidence(ofTarget: target(of: claim)) }

    private static func liveEvidence(ofTarget target: Query) -> Query {
        """
        SELECT e.id, e.format, e.payload, e.signature, e.certificate_chain, e.certificate_not_after, e.timestamp_token,
            e.further_timestamps, e.log, e.log_request, e.logged_at IS NOT NULL AS is_logged, e.log_entry, e.log_id,
            e.log_index, e.log_uuid, e.integrated_at, e.bundle, e.first_missed_at, e.subjects, f.further_logs,
            f.further_requests, f.further_entries, a.manifest, a.media_type, a.digest, a.pushed_at, a.verified_at
        FROM countersign.evidence_target l
        JOIN countersign.evidence e ON e.id = l.evidence_id
        LEFT JOIN countersign.attachment a ON a.evidence_id = l.evidence_id AND a.target_id = l.target_id
        LEFT JOIN LATERAL (
            SELECT array_agg(f.log ORDER BY f.id) AS further_logs, array_agg(f.log_request ORDER BY f.id) AS further_requests,
                array_agg(f.log_entry ORDER BY f.id) AS further_entries
            FROM countersign.further_entry f WHERE f.evidence_id = e.id) f ON true
        WHERE l.target_id = \(target) AND l.live
        """
    }
}

extension Evidence {
    init(_ row: Row) throws {
        guard let format = Format(rawValue: try row.decode("format")) else {
            throw QueueError.unreadable(table: "evidence", what: "format")
        }
        id = try row.decode("id")
        prepared = Prepared(
            format: format, payload: try row.decode("payload"), signature: try row.decode("signature"),
            certificateChain: try row.decode("certificate_chain"),
            certificateNotAfter: try row.decode("certificate_not_after"),
            timestamps: try Self.timestamps(row), log: try row.decode("log"),
            logRequest: try row.decode("log_request"), further: try FurtherEntry.all(row),
            subjects: Int(try row.decode("subjects", as: Int32.self)))
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
        firstMissedAt = try row.decode("first_missed_at")
    }

    /// Those of a row: the first has a column of its own, as long as most evidence has one.
    static func timestamps(_ row: Row) throws -> [[UInt8]] {
        let first: [UInt8]? = try row.decode("timestamp_token")
        return (first.map { [$0] } ?? []) + (try row.decode("further_timestamps", as: [[UInt8]].self))
    }
}
