import OCI
import Postgres

/// What a registry was found to serve of ours, recorded as if this database had made it.
extension Journal {
    /// Records a signature that the registry was found to serve: statement, log entry, manifest and the row of the audit log,
    /// all of it or nothing, so that no crash leaves evidence behind whose request to the log nobody knows.
    ///
    /// - Parameter prepared: its `logRequest` may be empty; an entry that is there need not be asked for again.
    /// - Returns: the evidence as stored. If the target has live evidence already, that one stands, logged or not. `nil`, with
    ///   nothing written, where its place in the log is that of other evidence, such as a document's that was superseded and is
    ///   still listed: one entry is one row.
    package func adopt(
        _ prepared: Evidence.Prepared, _ logged: Evidence.Logged, attachment: Evidence.Attachment, for claim: Claim
    ) async throws(QueueError) -> Evidence? {
        try await pool.together { session -> Evidence? in
            let (targetID, answers) = try Self.fence(claim, and: [Self.liveEvidence(of: claim)], in: session)
            let live = try answers[0].map(Evidence.init)
            if let existing = live.first(where: { $0.format == prepared.format }) { return existing }
            let id: Int64
            if let joined = try Self.join(prepared, logged, targetID, in: session) {
                id = joined
            } else {
                guard try !Self.isTaken(logged, in: session) else { return nil }
                id = try Self.insert(prepared, logged: logged, of: [targetID], in: session)
            }
            let pushed: Query = """
                UPDATE countersign.attachment SET pushed_at = now()
                WHERE evidence_id = \(id) AND target_id = \(targetID)
                """
            let answered = try session.pipeline(
                Self.records(logged, attachment, of: id, claim) + [pushed, Self.liveEvidence(of: claim)])
            let stored = try (answered.last ?? []).map(Evidence.init).first { $0.format == prepared.format }
            guard let stored else {
                throw QueueError.unreadable(table: "evidence", what: "row \(id), just written")
            }
            try AuditLog.append(Self.act(prepared, logged, claim), in: session)
            return stored
        }
    }

    private static func act(
        _ prepared: Evidence.Prepared, _ logged: Evidence.Logged, _ claim: Claim
    ) -> AuditLog.Entry {
        var act = AuditLog.Entry(action: "artifact.adopt", byDaemon: ())
        act.repository = claim.repository.description
        act.subject = claim.target?.digest.description
        act.type = claim.target?.purpose.predicateType
        act.detail =
            "\(prepared.format.rawValue), entry \(logged.logIndex) of \(prepared.log)"
            + (prepared.subjects > 1 ? ", a statement about \(prepared.subjects)" : "")
        return act
    }
}

extension Journal {
    /// The evidence of a group that another of its members was found with before: one entry is one row, whoever finds it.
    /// - Returns: its id, now also this target's; `nil` where there is none, or it is no group's.
    private static func join(
        _ prepared: Evidence.Prepared, _ logged: Evidence.Logged, _ targetID: Int64, in session: Session
    ) throws -> Int64? {
        guard prepared.subjects > 1 else { return nil }
        return try session.query(
            """
            INSERT INTO countersign.evidence_target (evidence_id, target_id, format)
            SELECT e.id, \(targetID), e.format FROM countersign.evidence e
            WHERE e.log_id = \(logged.logID)::text AND e.log_index = \(logged.logIndex) AND e.abandoned_at IS NULL
                AND e.format = \(prepared.format.rawValue)::text AND e.signature = \(prepared.signature)
                AND e.bundle = \(logged.bundle)
            ON CONFLICT (evidence_id, target_id) DO UPDATE SET live = true -- its image had gone, and came back
            RETURNING evidence_id
            """
        ).first?.decode("evidence_id")
    }

    /// Whether other evidence has this entry of a log.
    private static func isTaken(_ logged: Evidence.Logged, in session: Session) throws -> Bool {
        try !session.query(
            """
            SELECT id FROM countersign.evidence
            WHERE log_id = \(logged.logID)::text AND log_index = \(logged.logIndex) AND abandoned_at IS NULL
            UNION ALL
            SELECT e.id FROM countersign.further_entry f JOIN countersign.evidence e ON e.id = f.evidence_id
            WHERE f.log_id = \(logged.logID)::text AND f.log_index = \(logged.logIndex) AND e.abandoned_at IS NULL
            """
        ).isEmpty
    }
}
