import OCI
import Postgres
import Sigstore

/// Alerts about single signatures, and their ends.
///
/// A look back at a published signature or attestation that finds it broken raises an alert, and one that finds it whole ends it. The state of
/// the artifact stays `signed`, beside the error: what was published is not unsaid, and each round of re-checks looks again until it holds.
///
/// A signature that is in its log and cannot be recorded, since another row has its place there, raises one until it is recorded: no
/// attempt can mend that.
package struct SignatureAlarm: Sendable {
    private let alerts: Alerts

    package init(alerts: Alerts) { self.alerts = alerts }

    private static let codes: [Alert.Code] = [.signatureRejected, .signatureTampered]

    /// What an attempt failed with.
    /// - Returns: whether it was a look back and speaks of the signature; then an alert stands.
    func failed(_ error: any Error, _ failure: Failure, _ claim: Claim) async throws(QueueError) -> Bool {
        if Self.saysPlaceTaken(error), let target = claim.target {
            try await raise(
                .placeTaken, target, failure,
                fix: "find the row of countersign.evidence that has its place in the log, and who wrote it")
            return false
        }
        guard let target = claim.rechecked, let code = Self.code(of: error) else { return false }
        try await raise(code, target, failure, fix: Self.fix(of: code, error))
        return true
    }

    private static func fix(of code: Alert.Code, _ error: any Error) -> String {
        if code == .signatureTampered {
            return
                "look at the registry's storage and at whoever can write to it; the bytes we published are in our records"
        }
        if case SigningError.ownOutputRejected(_, _, let remedy?) = (error as? StageFailure)?.underlying ?? error {
            return remedy
        }
        return
            "see which changed: the trust root, the configured identity, or the row in our database; nothing was unsigned"
    }

    private func raise(
        _ code: Alert.Code, _ target: Target, _ failure: Failure, fix: String
    ) async throws(QueueError) {
        var alert = Alert(code, about: "\(target.id)", observed: failure.observed, fix: fix)
        (alert.repository, alert.digest, alert.purpose) = (target.repository, target.digest, target.purpose)
        alert.facts = ["error": failure.code, "stage": failure.stage]
        try await alerts.raise(alert)
    }

    /// The second commit, of which the index over places in logs takes no other row.
    private static func saysPlaceTaken(_ error: any Error) -> Bool {
        guard case QueueError.unstorable(_, let constraint) = (error as? StageFailure)?.underlying ?? error else {
            return false
        }
        return constraint == "evidence_log"
    }

    /// Whether the last look at the target `t` of a statement found it broken.
    static var isRaised: Query {
        """
        (t.last_error IS NOT NULL AND EXISTS (SELECT FROM countersign.alert a WHERE a.ended_at IS NULL
            AND a.key = ANY(ARRAY(SELECT c.code || ':' || t.id FROM unnest(\(codes.map(\.rawValue))::text[]) AS c(code)))))
        """
    }

    /// Ends what stands about targets that nothing is asked about any more, because newer ones took their place or because they
    /// were revoked: no look at them will end it.
    static func end(about targets: [Int64], in session: Session) throws {
        try Alerts.end(codes + [.placeTaken], about: targets.map { "\($0)" }, in: session)
    }

    /// A look that ended well, or with an image that is not there any more.
    func ended(_ claim: Claim, as outcome: Outcome) async throws(QueueError) {
        // asked only where an attempt failed before: most signatures are made at once
        if case .signed = outcome, claim.failures > 0, let target = claim.target {
            try await alerts.end([.placeTaken], about: "\(target.id)")
        }
        guard let target = claim.rechecked else { return }
        switch outcome {
        case .signed, .gone: try await alerts.end(Self.codes, about: "\(target.id)")
        // nobody asks for it any more
        case .refused(let failure) where failure.code == SignAttestation.supersededCode:
            try await alerts.end(Self.codes, about: "\(target.id)")
        default: break
        }
    }

    /// Only what speaks of the signature itself; that nobody answered says nothing about it.
    private static func code(of error: any Error) -> Alert.Code? {
        let stage = (error as? StageFailure)?.stage
        switch (error as? StageFailure)?.underlying ?? error {
        case SigningError.ownOutputRejected, SigningError.evidenceUnusable, is VerificationError:
            return .signatureRejected
        case SigningError.readBackDiffers: return .signatureTampered
        case OCIError.digestMismatch, OCIError.manifestMalformed: return stage == .readBack ? .signatureTampered : nil
        default: return nil
        }
    }
}

extension Claim {
    /// What it looks back at; nil where something is to be signed.
    fileprivate var rechecked: Target? { isRecheck ? target : nil }
}
