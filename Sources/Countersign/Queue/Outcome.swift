package import FoundationEssentials
package import OCI
package import Postgres

/// How an attempt ended. All of these are expected; throwing is for what stops the line.
package enum Outcome: Sendable {
    /// Published, read back from the registry and verified.
    case signed(SignedRecord)
    /// Policy says no, now that the facts are known.
    case refused(Failure)
    /// The registry does not have it any more.
    case gone(Failure)
    /// Try again. `after` comes from ``RetryPolicy``; `counts` is false where the cause is not this job's.
    case retry(Failure, after: Duration, counts: Bool)
    /// Given up: dead letter, until it is redriven or pushed again.
    case failed(Failure)
    /// A look back at a signature that found it broken, and told so: it stays `signed`, beside the error, and is looked at again
    /// with the next round of re-checks or the next push.
    case broken(Failure)
    /// An end that only its kind of job has.
    case ended(any JobEnd)
    /// Not done and not failed: this process is going away. The attempt does not count.
    case released
}

/// An end that only one kind of job has, in the file of its handler.
package protocol JobEnd: Sendable {
    /// The word in metrics and logs.
    var name: String { get }

    /// Whether it makes other work due.
    var leavesWork: Bool { get }

    /// Ends the job, together with what that changes. Fenced by the claim's lease token.
    /// - Returns: `nil` if the job is not the claim's any more; then nothing is changed.
    /// - Throws: what the session throws; then nothing is changed either.
    func settle(_ claim: Claim, in session: Session) throws -> Settlement?
}

extension JobEnd {
    package var leavesWork: Bool { false }
}

/// The facts of a signature that anybody can check, as the status API shows them.
package struct SignedRecord: Sendable, Equatable {
    /// Subject alternative name of the certificate; for a managed key `key:` and its hint.
    package let identity: String
    /// OIDC issuer in the certificate; empty for a managed key.
    package let issuer: String
    /// Key id of the log: 64 hex digits.
    package let logID: String
    package let logIndex: Int64
    /// Rekor v1 only.
    package let logUUID: String?
    /// Rekor v1 only; v2 entries carry no time of their own.
    package let integratedAt: Date?
    /// Digest of the referrer manifest (for the legacy format: of the `.sig` manifest).
    package let referrer: Digest
    /// Of the policy that was applied when it was signed.
    package let rule: String
    package let policyVersion: String
    /// What was looked at in the registry and stood; the facts above are those of the first.
    package let formats: [SignatureFormat]
    /// When it was made, of a signature that was found and not made by this line; `nil`: now.
    package let signedAt: Date?

    package init(
        identity: String, issuer: String, logID: String, logIndex: Int64, logUUID: String?, integratedAt: Date?,
        referrer: Digest, rule: String, policyVersion: String,
        formats: [SignatureFormat] = [.bundle], signedAt: Date? = nil
    ) {
        self.identity = identity
        self.issuer = issuer
        self.logID = logID
        self.logIndex = logIndex
        self.logUUID = logUUID
        self.integratedAt = integratedAt
        self.referrer = referrer
        self.rule = rule
        self.policyVersion = policyVersion
        self.formats = formats
        self.signedAt = signedAt
    }
}

/// What the queue did with an outcome.
package enum Settlement: Sendable, Equatable {
    /// The job is gone; `sincePush` is from receiving the push to now, by the database's clock.
    case ended(TargetState?, sincePush: Duration)
    /// A push came during the attempt: the job is due again at once.
    case requeued
    case postponed
}
