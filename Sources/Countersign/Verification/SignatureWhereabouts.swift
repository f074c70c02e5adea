package import OCI

/// Where an artifact's signatures, attestations and SBOM are kept, whether or not there are any.
package struct SignatureWhereabouts: Encodable, Sendable {
    /// What is kept under one of the older tags.
    package enum Kind: String, Sendable, CaseIterable { case signature, attestation, sbom }

    package let reference: String
    package let digest: String
    /// The older tag, `host/repository:sha256-<hex>.sig`, `.att` or `.sbom`.
    package let tag: String
    /// Where bundles are listed: in words, or the fallback tag as `host/repository:sha256-<hex>`.
    package let bundles: String

    /// Asks the registry for the digest, and the one that keeps the signatures how it lists referrers.
    /// - Parameter signatures: where signatures are kept, if not beside their images.
    /// - Throws: ``OCIError`` when a registry cannot be asked, and for the older tag of a digest that is not SHA-256.
    package static func find(
        _ reference: Reference, _ kind: Kind, in registry: RegistryClient, signatures: SignaturePlace? = nil
    ) async throws(OCIError) -> Self {
        let place = signatures ?? SignaturePlace(registry: registry, repository: reference.repository)
        let digest = try await registry.subject(of: reference).descriptor.digest
        let tag =
            switch kind {
            case .signature: try SignatureTag.legacy(.signature, for: digest)
            case .attestation: try SignatureTag.legacy(.attestation, for: digest)
            case .sbom: try SignatureTag.sbom(for: digest)
            }
        let bundles =
            switch try await place.registry.referrers(place.repository.name, of: digest) {
            case .api: "the registry's referrers API, in \(place.repository)"
            case .fallback: "\(place.repository):\(SignatureTag.fallback(for: digest))"
            }
        return Self(
            reference: "\(reference)", digest: "\(digest)", tag: "\(place.repository):\(tag)", bundles: bundles)
    }
}
