package import FoundationEssentials
package import OCI

/// What is known of one artifact, as the API and the command line show it.
package struct ArtifactStatus: Sendable {
    /// `nil` for a push that was only refused at intake: it never became a target.
    package let targetID: Int64?
    package let repository: Repository
    /// `nil` while only a tag is known and nobody could say yet where it points.
    package let digest: Digest?
    package let purpose: Purpose
    package let generation: Int32
    package let state: TargetState
    /// A signed artifact whose attachments are being looked at again.
    package let recheck: Bool
    /// It is signed, and the last look at the signature found it broken; an alert stands.
    package let isBroken: Bool
    /// Where the artifact was asked for by tag: which one, and since when our ledger has it at this digest.
    package var tag: Tag?
    /// In which formats it was asked for, where batches asked for fewer than its rule names.
    package var formats: Set<SignatureFormat>?
    package let mediaType: String?
    package let rule: String?
    package let policyVersion: String?
    /// First and latest push.
    package let receivedAt: Date
    package let pushedAt: Date
    package let attempts: Int
    /// When the next attempt is due; `nil` when none is, or one runs.
    package let nextAttemptAt: Date?
    package let lastError: Failure?
    package let signature: Signature?

    package struct Tag: Sendable, Equatable {
        package let name: String
        /// `nil` where ``ArtifactStatus/digest`` is.
        package let resolvedAt: Date?

        package init(name: String, resolvedAt: Date?) {
            self.name = name
            self.resolvedAt = resolvedAt
        }
    }

    /// Facts of the signature; present from the first time it was signed, whatever happened to the artifact since.
    package struct Signature: Sendable, Equatable {
        package let identity: String
        package let issuer: String
        package let logID: String
        package let logIndex: Int64
        package let logUUID: String?
        package let integratedAt: Date?
        package let referrer: Digest
        package let signedAt: Date
        /// In which the registry was last seen to serve it.
        package let formats: Set<SignatureFormat>
        /// When the registry's own copy last passed our verifier.
        package let verifiedAt: Date
    }
}
