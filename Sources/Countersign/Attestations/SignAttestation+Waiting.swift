import FoundationEssentials
import Postgres

/// How a document waits for its image: it is attached to nothing that has no signature of ours.
extension SignAttestation {
    /// How long an attestation waits before it looks again whether its artifact is signed: this, doubling to the longest. A
    /// signature wakes it earlier.
    private static let firstPause: Duration = .seconds(60)
    private static let longestPause: Duration = .seconds(480)

    /// - Parameter failures: how often it came back in a row.
    static func pause(after failures: Int) -> Duration {
        min(firstPause * (1 << min(max(failures, 0), 8)), longestPause)
    }

    /// What such a wait is called.
    static let waitingCode = "attestation.waiting_for_signature"

    /// A document that waits for its image leaves the slots of live pushes to them: one upload may wait for a day.
    static func putBack(_ claim: Claim, after failure: Failure, in session: Session) throws {
        guard failure.code == waitingCode else { return }
        _ = try session.execute(
            """
            UPDATE countersign.job SET lane = \(Lane.default.rawValue)::smallint
            WHERE id = \(claim.jobID) AND lane = \(Lane.live.rawValue)::smallint
            """)
    }

    /// Looks whether what the attempt went back to wait for has come by now. Nobody wakes a job that is still held: a signature
    /// that was settled between the attempt's look and its return would else be noticed after the whole pause.
    func settled(_ claim: Claim, as outcome: Outcome) async throws {
        guard case .retry(let failure, _, _) = outcome, failure.code == Self.waitingCode else { return }
        let target = try claim.requireTarget()
        if try await isDue(target) { try await queue.wakeAttestation(target) }
    }

    private func isDue(_ target: Target) async throws -> Bool {
        guard case .sign(let rule) = policy.decide(target.repository, tagged: nil),
            let attestation = try await records.attestation(of: target)
        else { return true }
        guard case .retry = try await waiting(attestation, target, rule) else { return true }
        return false
    }

    /// The outcome while the artifact is not signed; nil once it is, in every format of the rule that was asked for.
    func waiting(
        _ attestation: AttestationRecord, _ target: Target, _ rule: PolicyConfiguration.Rule, failures: Int = 0
    ) async throws -> Outcome? {
        let artifact = try await records.signature(of: target)
        let isSigned = attestation.status.signature != nil
        switch artifact?.state {
        case .refused, .revoked:
            return .refused(
                refusal(Self.artifactRefusedCode, "\(target.digest) is \(artifact?.state.rawValue ?? "refused")"))
        case .signed where artifact?.stands(under: rule) ?? false: return nil
        // what is signed is looked at also when the image itself is signed no more: waiting for that would not end. Whether
        // the image is gone is seen when it is fetched
        case let state? where isSigned && [.gone, .failed, .cancelled].contains(state): return nil
        default: break
        }
        // an image that is being signed anew, or whose signature is being put back, says nothing against what stands
        if !isSigned, attestation.isExpired {
            return .gone(
                Failure(
                    code: Self.noArtifactCode, stage: SigningStage.authorise.rawValue,
                    observed: "\(target.digest) was not signed until \(attestation.expiresAt.formatted(.iso8601))",
                    fix: "push the artifact, then send the document again"))
        }
        let isShort = artifact?.state == .signed
        return .retry(
            Failure(
                code: Self.waitingCode, stage: SigningStage.authorise.rawValue,
                observed: isShort
                    ? "\(target.digest) is not signed in every format that this needs"
                    : "\(target.digest) has no signature of ours yet (\(artifact?.state.rawValue ?? "not pushed"))",
                fix: isShort
                    ? "push the artifact again, if a batch asked for the older format alone"
                    : "nothing: the document is attached once the artifact is signed"),
            after: Self.pause(after: failures), counts: false)
    }
}
