import FoundationEssentials
import OCI

/// An artifact as the API shows it. Absent members are not known (yet).
struct ArtifactAnswer: Encodable {
    let reference: String
    let registry: String
    let repository: String
    /// Absent while only a tag is known and nobody could say yet where it points.
    let digest: String?
    let tag: String?
    /// Since when our ledger has the tag at this digest; the registry may know better.
    let resolvedAt: Date?
    let state: String
    /// A signed artifact whose attachments are being looked at again.
    let recheck: Bool
    /// The last look at a signed artifact found the signature broken.
    let broken: Bool
    /// Absent where it was asked for in all formats of its rule.
    let formats: [String]?
    let mediaType: String?
    let rule: String?
    let policyVersion: String?
    let generation: Int32
    let attempts: Int
    let receivedAt: Date
    let pushedAt: Date
    let nextAttemptAt: Date?
    let lastError: Failure?
    let signature: Signature?
    /// Newest first; absent while there is only one.
    let generations: [GenerationAnswer]?
    /// The one in force, or the one that was lifted last.
    let revocation: RevocationAnswer?

    struct Signature: Encodable {
        let identity: String
        let issuer: String
        let logID: String
        let logIndex: Int64
        let logUUID: String?
        let integratedAt: Date?
        /// Where the signature lies: the referrer that carries the bundle.
        let referrer: String
        /// Those that lie in the registry.
        let formats: [String]
        let signedAt: Date
        let verifiedAt: Date

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
