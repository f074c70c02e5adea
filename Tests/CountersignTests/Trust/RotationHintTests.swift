import Sigstore
import Testing

@testable import Countersign

@Suite struct RotationHintTests {
    /// The checks that ask the trusted root for a key: a new one announces itself there.
    private static let checks: Set<VerificationError.Check> = [
        .log, .chain, .certificateTimestamp, .timestamp, .checkpoint, .signedEntryTimestamp,
    ]

    @Test(arguments: VerificationError.Check.allCases)
    func `a failed check is a hint where a key of the trusted root was missing, also when it was our own output's`(
        check: VerificationError.Check
    ) {
        let error = VerificationError(check, "seen")
        let wrapped = SigningError.ownOutputRejected(code: error.code, observed: error.observed)
        let expected = Self.checks.contains(check)
        #expect(RotationHint.isGiven(by: error) == expected)
        #expect(RotationHint.isGiven(by: wrapped) == expected)
        #expect(RotationHint.isGiven(by: StageFailure(stage: .verify, underlying: error)) == expected)
        #expect(RotationHint.isGiven(by: StageFailure(stage: .verify, underlying: wrapped)) == expected)
    }

    @Test func `a Rekor v2 answer that is not proven, a frozen log and expired trust are hints`() {
        for error: any Error in [
            SigstoreError.badAnswer(.rekor, detail: "checkpoint: no log signed it", answerMayBeLost: true),
            SigstoreError.logFrozen(log: "l", message: "m"), TrustError.lab(origin: "o"),
        ] {
            #expect(RotationHint.isGiven(by: error))
            #expect(RotationHint.isGiven(by: StageFailure(stage: .log, underlying: error)))
        }
    }

    @Test func `what no new key would mend is none`() {
        for error: any Error in [
            SigstoreError.badAnswer(.fulcio, detail: "d", answerMayBeLost: false),
            SigstoreError.unavailable(.rekor, detail: "d", retryAfter: nil, answerMayBeLost: true),
            SigstoreError.unwitnessed(have: 0, need: 1), SigningError.subjectBusy,
            SigningError.evidenceUnusable("checkpoint"), CancellationError(),
        ] { #expect(!RotationHint.isGiven(by: error), "\(error)") }
    }
}
