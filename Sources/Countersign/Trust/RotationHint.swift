import Sigstore

/// Failures by which a rotation announces itself: a key or an authority that we do not know (yet), a log that takes no more.
enum RotationHint {
    /// The checks that ask the trusted root for a key.
    private static let checks: [VerificationError.Check] = [
        .log, .chain, .certificateTimestamp, .timestamp, .checkpoint, .signedEntryTimestamp,
    ]

    /// Whether the trust material should be looked at soon because of this failure.
    static func isGiven(by error: any Error) -> Bool {
        switch (error as? StageFailure)?.underlying ?? error {
        case let error as VerificationError: checks.contains(error.check)
        // our own output is verified before it is published; of the check that failed its code is left
        case SigningError.ownOutputRejected(let code, _, _): checks.contains { $0.code == code }
        // a Rekor v2 log's answer is proven where it is read: one under a new key cannot be told from a broken one
        case SigstoreError.badAnswer(.rekor, _, _), SigstoreError.logFrozen: true
        case is TrustError: true
        default: false
        }
    }
}
