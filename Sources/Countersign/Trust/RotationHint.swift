import Sigstore

/// Failures by which a rotation announces itself: a key or an authority that we do not know (yet), a log that takes no more.
enum RotationHint {
    /// Whether the trust material should be looked at soon because of this failure.
    static func isGiven(by error: any Error) -> Bool {
        switch (error as? StageFailure)?.underlying ?? error {
        case let error as VerificationError:
            [.log, .chain, .certificateTimestamp, .timestamp, .checkpoint, .signedEntryTimestamp].contains(error.check)
        case SigstoreError.logFrozen: true
        case is TrustError: true
        default: false
        }
    }
}
