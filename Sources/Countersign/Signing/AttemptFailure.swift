import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore

/// What a failed step means for its job: whose fault it is decides how long it waits and whether it ends.
///
/// Faults of identity, credentials and upstreams never end a job: they wait until the cause is gone. Only what will not
/// change by itself ends it, visibly (architecture, "Retries").
struct AttemptFailure: Sendable {
    let failure: Failure
    let verdict: Verdict

    enum Verdict: Sendable {
        case retry(RetryPolicy.Class, after: Duration?)
        /// Not asked, for so long: the upstream is down or busy, and the job has no part in it.
        case withheld(Duration)
        /// Understood, and never to be signed.
        case refuse
        /// Another attempt owns the job; nothing of this one may be recorded.
        case lost
        /// This process is going away.
        case release
    }

    init(_ error: any Error) {
        let stage = (error as? StageFailure)?.stage ?? .resolve
        let cause = (error as? StageFailure)?.underlying ?? error
        let stageName = stage.rawValue
        switch cause {
        case let withheld as Withheld: self.init(withheld, stage)
        case OCIError.transport(_, .withheld(let withheld)): self.init(withheld, stage)
        case SigstoreError.withheld(_, let withheld): self.init(withheld, stage)
        case QueueError.withheld(let withheld): self.init(withheld, stage)
        case is CancellationError:
            self.init(.release, "attempt.cancelled", stageName, "the attempt was stopped", "nothing")
        case let error as any Explained:
            self.init(Self.verdict(of: error, at: stage), error.code, stageName, error.observed, error.fix)
        default:
            self.init(
                .retry(.permanent, after: nil), "attempt.unexpected", stageName, "\(cause)",
                "report this with the text above")
        }
    }

    private init(_ withheld: Withheld, _ stage: SigningStage) {
        verdict = .withheld(withheld.after)
        failure = Failure(withheld, stage: stage)
    }

    private init(_ verdict: Verdict, _ code: String, _ stage: String, _ observed: String, _ fix: String) {
        self.verdict = verdict
        failure = Failure(code: code, stage: stage, observed: observed, fix: fix)
    }

    /// A set that is not named here has no business in an attempt.
    private static func verdict(of error: any Explained, at stage: SigningStage) -> Verdict {
        switch error {
        case let error as OCIError: verdict(error, stage)
        case let error as SigstoreError: verdict(error)
        case let error as SigningError: verdict(error)
        case let error as TrustError: verdict(error)
        case let error as QueueError: verdict(error)
        case is VerificationError: .retry(.identity, after: nil)
        case is PostgresError, is CryptoError: .retry(.dependency, after: nil)
        default: .retry(.permanent, after: nil)
        }
    }

    /// News of the trust material may come by itself; a configuration that leaves us without a service has to be mended.
    private static func verdict(_ error: TrustError) -> Verdict {
        switch error {
        case .repository, .expired: .retry(.dependency, after: nil)
        case .unreadable, .lab, .noService, .unsignable, .several, .publicLog: .retry(.identity, after: nil)
        }
    }

    private static func verdict(_ error: QueueError) -> Verdict {
        switch error {
        case .leaseLost: .lost
        case .leaseUntrusted: .release
        case .revoked, .superseded: .refuse
        case .withheld(let withheld): .withheld(withheld.after)
        case .overloaded, .unstorable, .unreadable, .database: .retry(.dependency, after: nil)
        }
    }

    /// Only an answer about the artifact itself may end its job. What a registry says of our own writes or of other
    /// people's referrers waits until somebody mends it.
    private static func verdict(_ error: OCIError, _ stage: SigningStage) -> Verdict {
        let isAboutArtifact = stage == .fetch || stage == .resolve
        return switch error {
        case .notFound(let answer):
            // a proxy's 404 page is an outage, not a statement about the manifest
            isAboutArtifact && answer.isDistributionError
                ? .retry(.eventual, after: nil) : .retry(.dependency, after: nil)
        case .throttled: .retry(.throttled, after: error.retryAfter)
        case .unavailable: .retry(.dependency, after: error.retryAfter)
        case .transport(_, .cancelled): .release
        case .transport: .retry(.dependency, after: nil)
        case .blobUnknown, .redirectTargetRefused, .referrerNotListed, .deletedStillServed:
            .retry(.dependency, after: nil)
        case .fallbackIndexContended, .legacyTagContended: .retry(.contended, after: nil)
        case .unauthorized, .forbidden, .challengeMalformed, .tokenRealmRefused, .tokenAnswerMalformed, .credentials,
            .credentialHelper, .endpointMalformed, .deletionUnsupported, .deletionRefused:
            .retry(.identity, after: nil)
        case .unsupportedMediaType, .manifestMalformed, .tooLarge:
            isAboutArtifact ? .refuse : .retry(.identity, after: nil)
        // nobody pushes what the protocol does not know: something else answers in the registry's place
        case .unexpectedAnswer: .retry(isAboutArtifact ? .dependency : .identity, after: nil)
        case .digestMismatch, .fallbackNotAnIndex, .legacyTagNotSignatures, .legacyTagImpossible, .refused,
            .referenceMalformed, .digestMalformed:
            isAboutArtifact ? .retry(.permanent, after: nil) : .retry(.identity, after: nil)
        }
    }

    private static func verdict(_ error: SigstoreError) -> Verdict {
        switch error {
        case .identity, .clock, .refused, .misconfigured, .logInconsistent: .retry(.identity, after: nil)
        case .cancelled: .release
        case .withheld(_, let withheld): .withheld(withheld.after)
        case .throttled: .retry(.throttled, after: error.retryAfter)
        case .unavailable, .badAnswer, .logFrozen, .unwitnessed: .retry(.dependency, after: error.retryAfter)
        case .crypto: .retry(.dependency, after: nil)
        case .malformed, .pattern, .unsupported, .entryNotFound, .entryDiffers: .retry(.permanent, after: nil)
        }
    }

    private static func verdict(_ error: SigningError) -> Verdict {
        switch error {
        case .identityMismatch, .clockSkew, .ownOutputRejected, .unknownRegistry, .otherLog, .noLog, .noTimestamp,
            .unknownIdentity:
            .retry(.identity, after: nil)
        case .certificateExpired(_, let until), .logReplaced(_, let until):
            .retry(.dependency, after: .seconds(max(0, until.timeIntervalSinceNow)))
        case .evidenceUnusable, .documentLost, .readBackDiffers: .retry(.dependency, after: nil)
        case .subjectBusy, .groupBusy, .overtaken: .retry(.contended, after: nil)
        case .noFormat: .refuse
        }
    }

    /// The outcome under a retry policy; nil when nothing may be recorded.
    func outcome(for claim: Claim, under policy: RetryPolicy, random: Double) -> Outcome? {
        switch verdict {
        case .lost: return nil
        case .release: return .released
        case .refuse: return .refused(failure)
        case .withheld(let time):
            // whoever closes the breaker wakes them all; the spread is for those whom nobody wakes
            let spread = min(max(time / 2, .milliseconds(200)), .seconds(60))
            return .retry(failure, after: time + spread * random, counts: false)
        case .retry(let kind, let after):
            switch policy.decision(
                for: kind, attempt: claim.attempt, failures: claim.failures, retryAfter: after, random: random)
            {
            case .retry(let delay, let counts): return .retry(failure, after: delay, counts: counts)
            case .exhausted: return kind == .eventual ? .gone(failure) : .failed(failure)
            }
        }
    }

    /// The class, for the counter of retries.
    var retryClass: String? {
        switch verdict {
        case .retry(let kind, _): kind.rawValue
        case .withheld: "withheld"
        default: nil
        }
    }
}
