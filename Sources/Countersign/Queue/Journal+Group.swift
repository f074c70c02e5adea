import FoundationEssentials
import OCI
import Postgres

/// Evidence that covers many targets: written once, for all of them, each fenced by its own claim.
extension Journal {
    /// What commit point 1 of a group came to.
    enum GroupCommit: Sendable {
        case committed(Evidence)
        /// Nothing was written, since these jobs may not be in the statement (any more): their lease is lost, their artifact
        /// is revoked or superseded, somebody cancelled them, or they have evidence. Form the group anew, without them.
        case fallen(Set<Int64>)

        var hasFallen: Bool { if case .fallen = self { true } else { false } }
    }

    /// Commit point 1 of a group. Nothing may be sent to a log before this returns, and the signature is to be forgotten
    /// unless it was committed.
    func prepare(_ prepared: Evidence.Prepared, for claims: [Claim]) async throws(QueueError) -> GroupCommit {
        try await pool.together { session in
            let held = try Self.fence(claims, in: session)
            let fit = try Self.unsigned(held.filter { !$0.isCancelled }.map(\.targetID), prepared.format, in: session)
            let fallen = Set(claims.map(\.jobID)).subtracting(
                held.filter { !$0.isCancelled && fit.contains($0.targetID) }.map(\.jobID))
            guard fallen.isEmpty else { return .fallen(fallen) }
            let id = try Self.insert(prepared, of: held.map(\.targetID), in: session)
            return .committed(
                Evidence(id: id, prepared: prepared, logged: nil, attachment: nil, firstMissedAt: nil))
        }
    }

    /// Commit point 2 of a group: the log's answer, once, and for each member the manifest that will carry it.
    /// - Returns: the jobs of which the manifest stands. Those that are missing lost their lease or were revoked; whoever
    ///   takes them next finds the entry and makes their manifest.
    /// - Throws: ``QueueError/leaseLost(jobID:)`` when another attempt has stored another answer, or gave the evidence up.
    func log(
        _ logged: Evidence.Logged, _ rendered: [(claim: Claim, attachment: Evidence.Attachment)],
        of evidence: Evidence
    ) async throws(QueueError) -> Set<Int64> {
        let manifests = Dictionary(rendered.map { ($0.claim.jobID, $0.attachment) }) { first, _ in first }
        let claims = rendered.map(\.claim)
        return try await pool.together { session in
            let held = try Self.fence(claims, in: session).filter { manifests[$0.jobID] != nil }
            let written = try session.execute(
                """
                UPDATE countersign.evidence
                SET logged_at = coalesce(logged_at, now()), log_entry = \(logged.entry), log_id = \(logged.logID)::text,
                    log_index = \(logged.logIndex), log_uuid = \(logged.logUUID)::text,
                    integrated_at = \(logged.integratedAt), bundle = \(logged.bundle), logged_whole = true,
                    sender = NULL, sender_until = NULL
                WHERE id = \(evidence.id) AND abandoned_at IS NULL AND (logged_at IS NULL OR bundle = \(logged.bundle))
                """)
            guard written == 1 else { throw QueueError.leaseLost(jobID: claims.first?.jobID ?? 0) }
            _ = try session.execute(
                """
                INSERT INTO countersign.attachment (evidence_id, target_id, format, manifest, media_type, digest)
                SELECT e.evidence_id, e.target_id, e.format, w.manifest, w.media_type, w.digest
                FROM unnest(\(held.map(\.targetID))::bigint[], \(held.map { manifests[$0.jobID]?.manifest })::bytea[],
                    \(held.map { manifests[$0.jobID]?.mediaType })::text[],
                    \(held.map { manifests[$0.jobID]?.digest.description })::text[])
                    AS w(target_id, manifest, media_type, digest)
                JOIN countersign.evidence_target e ON e.evidence_id = \(evidence.id) AND e.target_id = w.target_id
                    AND e.live
                ON CONFLICT (evidence_id, target_id) DO NOTHING
                """)
            let standing = try session.query(
                """
                SELECT target_id FROM countersign.evidence_target
                WHERE evidence_id = \(evidence.id) AND live AND target_id = ANY(\(held.map(\.targetID))::bigint[])
                """
            ).map { try $0.decode("target_id", as: Int64.self) }
            return Set(held.filter { standing.contains($0.targetID) }.map(\.jobID))
        }
    }

    /// The live evidence of many targets, in the bundle format: which, whether it is a group's, and whether the registry was
    /// seen to have it.
    func standing(of targets: [Target]) async throws(QueueError) -> [Int64: EvidenceStanding] {
        let rows = try await pool.rows(
            """
            SELECT l.target_id, l.evidence_id, e.subjects, a.pushed_at IS NOT NULL AS is_published
            FROM countersign.evidence_target l JOIN countersign.evidence e ON e.id = l.evidence_id
            LEFT JOIN countersign.attachment a ON a.evidence_id = l.evidence_id AND a.target_id = l.target_id
            WHERE l.target_id = ANY(\(targets.map(\.id))::bigint[]) AND l.live
                AND l.format = \(SignatureFormat.bundle.rawValue)::text
            """
        ).values { row in
            (
                try row.decode("target_id", as: Int64.self),
                EvidenceStanding(
                    id: try row.decode("evidence_id"), isOfGroup: try row.decode("subjects", as: Int32.self) > 1,
                    isPublished: try row.decode("is_published"))
            )
        }
        return Dictionary(rows) { first, _ in first }
    }

    /// Takes the right to send a group's evidence to its log, if it is free, run out or this attempt's already.
    /// - Parameter ttl: longer than one answer may take.
    /// - Returns: the evidence as it is now: who sent before may have got answers of further logs. nil: another one sends.
    func takeSending(
        _ evidence: Evidence, for claim: Claim, lasting ttl: Duration
    ) async throws(QueueError) -> Evidence? {
        try await pool.together { session in
            _ = try Self.fence(claim, in: session)
            let taken = try session.execute(
                """
                UPDATE countersign.evidence
                SET sender = \(claim.leaseToken), sender_until = clock_timestamp() + \(ttl)::interval
                WHERE id = \(evidence.id) AND logged_at IS NULL AND abandoned_at IS NULL
                    AND (sender IS NULL OR sender = \(claim.leaseToken) OR sender_until <= clock_timestamp())
                """)
            return taken == 1 ? try Self.current(evidence, in: session) : nil
        }
    }

    /// Gives that right up, if it is still this attempt's.
    func stopSending(_ evidence: Evidence, for claim: Claim) async throws(QueueError) {
        _ = try await pool.rows(
            """
            UPDATE countersign.evidence SET sender = NULL, sender_until = NULL
            WHERE id = \(evidence.id) AND sender = \(claim.leaseToken)
            """)
    }
}

/// What is known of a target's evidence without reading it.
struct EvidenceStanding: Sendable, Equatable {
    let id: Int64
    let isOfGroup: Bool
    let isPublished: Bool
}

extension Journal {
    /// A job that is still this attempt's, locked for the rest of the transaction.
    private struct Fenced {
        let jobID: Int64
        let targetID: Int64
        let isCancelled: Bool
    }

    /// Locks the jobs of these claims, those that are still held and not revoked, in the order of their ids.
    private static func fence(_ claims: [Claim], in session: Session) throws -> [Fenced] {
        let locked = try session.query(
            """
            SELECT j.id, j.target_id, j.cancel_requested
            FROM unnest(\(claims.map(\.jobID))::bigint[], \(claims.map(\.leaseToken))::bigint[]) AS h(id, lease_token)
            JOIN countersign.job j ON j.id = h.id AND j.lease_token = h.lease_token
            WHERE j.leased AND j.lease_expires_at > clock_timestamp()
            ORDER BY j.id FOR UPDATE OF j
            """
        ).map { row in
            Fenced(
                jobID: try row.decode("id"), targetID: try row.decode("target_id"),
                isCancelled: try row.decode("cancel_requested"))
        }
        // a statement of its own, after the locks, as for a single claim
        let revoked = Set(
            try session.query(
                """
                SELECT t.id FROM countersign.target t
                WHERE t.id = ANY(\(locked.map(\.targetID))::bigint[]) AND (t.state = 'revoked'
                    OR EXISTS (SELECT FROM countersign.revocation v WHERE v.repository_id = t.repository_id
                        AND v.digest = t.digest AND v.released_at IS NULL))
                """
            ).map { try $0.decode("id", as: Int64.self) })
        return locked.filter { !revoked.contains($0.targetID) }
    }

    /// Those of the targets that are the newest of their digest and have no live evidence in the format.
    private static func unsigned(
        _ targets: [Int64], _ format: SignatureFormat, in session: Session
    ) throws -> Set<Int64> {
        Set(
            try session.query(
                """
                SELECT t.id FROM countersign.target t
                WHERE t.id = ANY(\(targets)::bigint[])
                    AND NOT EXISTS (SELECT FROM countersign.target newer WHERE newer.digest = t.digest
                        AND newer.repository_id = t.repository_id AND newer.purpose = t.purpose
                        AND newer.generation > t.generation)
                    AND NOT EXISTS (SELECT FROM countersign.evidence_target e
                        WHERE e.target_id = t.id AND e.live AND e.format = \(format.rawValue)::text)
                """
            ).map { try $0.decode("id", as: Int64.self) })
    }
}
