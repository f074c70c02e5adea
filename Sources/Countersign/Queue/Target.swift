package import OCI

/// One thing to sign: a digest in a repository, for a purpose, in a generation. These four are its primary key, and so
/// the rule that nothing is signed twice.
package struct Target: Sendable, Hashable {
    package let id: Int64
    package let repositoryID: Int32
    package let repository: Repository
    package let digest: Digest
    package let purpose: Purpose
    /// 0 for a push; a re-sign campaign counts up.
    package let generation: Int32

    package init(
        id: Int64, repositoryID: Int32, repository: Repository, digest: Digest, purpose: Purpose = .signature,
        generation: Int32 = 0
    ) {
        self.id = id
        self.repositoryID = repositoryID
        self.repository = repository
        self.digest = digest
        self.purpose = purpose
        self.generation = generation
    }
}

/// Why a digest is signed: as an image, or for one attestation (predicate type and document digest).
package struct Purpose: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    package static let signature = Purpose(rawValue: "signature")
}
