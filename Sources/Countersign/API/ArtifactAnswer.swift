package import FoundationEssentials
import OCI

/// An artifact as the API shows it. Absent members are not known (yet).
package struct ArtifactAnswer: StandingAnswer, Codable, Sendable {
    package let reference: String
    package let registry: String
    package let repository: String
    /// Absent while only a tag is known and nobody could say yet where it points.
    package let digest: String?
    package let tag: String?
    /// Since when our ledger has the tag at this digest; the registry may know better.
    package let resolvedAt: Date?
    package let state: String
    /// A signed artifact whose attachments are being looked at again.
    package let recheck: Bool?
    /// The last look at a signed artifact found the signature broken; a daemon of an older version does not say.
    package let broken: Bool?
    /// Absent where it was asked for in all formats of its rule.
    package let formats: [String]?
    package let mediaType: String?
    package let rule: String?
    package let policyVersion: String?
    package let generation: Int32
    package let attempts: Int
    package let receivedAt: Date
    package let pushedAt: Date
    package let nextAttemptAt: Date?
    package let lastError: Failure?
    package let signature: Signature?
    /// Newest first; absent while there is only one.
    package let generations: [GenerationAnswer]?
    /// The one in force, or the one that was lifted last.
    package let revocation: RevocationAnswer?

    package struct Signature: Codable, Sendable {
        package let identity: String
        package let issuer: String
        package let logID: String
        package let logIndex: Int64
        package let logUUID: String?
        package let integratedAt: Date?
        /// Where the signature lies: the referrer that carries the bundle.
        package let referrer: String
        /// Those that lie in the registry; a daemon of an older version does not say.
        package let formats: [String]?
        package let signedAt: Date
        package let verifiedAt: Date

        enum CodingKeys: String, CodingKey {
            case identity, issuer, referrer, formats
            case logID = "log_id"
            case logIndex = "log_index"
            case logUUID = "log_uuid"
            case integratedAt = "integrated_at"
            case signedAt = "signed_at"
            case verifiedAt = "verified_at"
        }
    }

    enum CodingKeys: String, CodingKey {
        case reference, registry, repository, digest, tag, state, recheck, broken, formats, rule, generation, attempts,
            signature,
            generations, revocation
        case resolvedAt = "resolved_at"
        case mediaType = "media_type"
        case policyVersion = "policy_version"
        case receivedAt = "received_at"
        case pushedAt = "pushed_at"
        case nextAttemptAt = "next_attempt_at"
        case lastError = "last_error"
    }

    init(_ status: ArtifactStatus, _ history: ArtifactHistory? = nil) {
        generations = history.flatMap { history in
            history.generations.count < 2
                ? nil : history.generations.map { GenerationAnswer($0, in: status.repository) }
        }
        revocation = history?.revocation.map(RevocationAnswer.init)
        reference =
            status.digest.map { "\(status.repository)@\($0)" } ?? "\(status.repository):\(status.tag?.name ?? "")"
        registry = status.repository.registry
        repository = status.repository.name
        digest = status.digest?.description
        tag = status.tag?.name
        resolvedAt = status.tag?.resolvedAt
        state = status.state.rawValue
        recheck = status.recheck
        broken = status.isBroken
        formats = status.formats.map(Self.names)
        mediaType = status.mediaType
        rule = status.rule
        policyVersion = status.policyVersion
        generation = status.generation
        attempts = status.attempts
        receivedAt = status.receivedAt
        pushedAt = status.pushedAt
        nextAttemptAt = status.nextAttemptAt
        lastError = status.lastError
        signature = status.signature.map { signature in
            Signature(
                identity: signature.identity, issuer: signature.issuer, logID: signature.logID,
                logIndex: signature.logIndex, logUUID: signature.logUUID, integratedAt: signature.integratedAt,
                referrer: "\(status.repository)@\(signature.referrer)", formats: Self.names(signature.formats),
                signedAt: signature.signedAt, verifiedAt: signature.verifiedAt)
        }
    }

    private static func names(_ formats: Set<SignatureFormat>) -> [String] { formats.map(\.rawValue).sorted() }
}
