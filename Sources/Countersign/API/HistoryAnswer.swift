package import FoundationEssentials
import OCI

/// An earlier signature of an artifact, as the API shows it.
package struct GenerationAnswer: Codable, Sendable {
    package let generation: Int32
    package let state: String
    package let reason, requestedBy: String?
    package let openedAt: Date
    package let signedAt: Date?
    package let logIndex: Int64?
    package let referrer: String?
    /// It was taken out of what the registry lists.
    package let removed: Bool

    enum CodingKeys: String, CodingKey {
        case generation, state, reason, referrer, removed
        case requestedBy = "requested_by"
        case openedAt = "opened_at"
        case signedAt = "signed_at"
        case logIndex = "log_index"
    }

    init(_ generation: ArtifactHistory.Generation, in repository: Repository) {
        self.generation = generation.number
        state = generation.state.rawValue
        reason = generation.reason
        requestedBy = generation.requestedBy
        openedAt = generation.openedAt
        signedAt = generation.signedAt
        logIndex = generation.logIndex
        referrer = generation.referrer.map { "\(repository)@\($0)" }
        removed = generation.isRemoved
    }
}

/// Why an artifact is, or was, not to be signed.
package struct RevocationAnswer: Codable, Sendable {
    package let reason, revokedBy: String
    package let revokedAt: Date
    /// `none`, `asked`, `removed` (out of the lists), `deleted`, or `listed`: the registry lists referrers by itself and goes on.
    package let removal: String
    package let removalError: Failure?
    package let releasedAt: Date?
    package let releasedBy, releaseReason: String?

    enum CodingKeys: String, CodingKey {
        case reason, removal
        case removalError = "removal_error"
        case revokedBy = "revoked_by"
        case revokedAt = "revoked_at"
        case releasedAt = "released_at"
        case releasedBy = "released_by"
        case releaseReason = "release_reason"
    }

    init(_ revocation: ArtifactHistory.Revocation) {
        reason = revocation.reason
        revokedBy = revocation.revokedBy
        revokedAt = revocation.revokedAt
        removal = revocation.removal.rawValue
        removalError = revocation.removalError
        releasedAt = revocation.releasedAt
        releasedBy = revocation.releasedBy
        releaseReason = revocation.releaseReason
    }
}
