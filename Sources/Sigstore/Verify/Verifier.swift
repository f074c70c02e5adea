import FoundationEssentials
public import OpenSSL

/// Decides whether a bundle is a signature by the expected signer over the artifact, as of a trusted root.
///
/// The steps are those of the Sigstore client specification ("Verification"), numbered in ``verify(_:artifact:by:expecting:repositories:)``.
/// At least one log entry and one trusted time are always demanded, and *everything* in the bundle must hold: a second
/// entry or timestamp that does not verify spoils it, since nothing says which one a reader will go by.
public struct Verifier: Sendable {
    /// The anchors.
    public let root: TrustedRoot
    let leaves: LeafCache
    /// One for each of the root's timestamp authorities, in their order.
    let timestampSigners: [TimestampSigners]

    /// A verifier; the trusted root is parsed already and shared. Results about the last `cachedLeaves` certificates and
    /// about timestamp authorities are remembered, so that a thousand signatures under one certificate cost one chain and
    /// one SCT check.
    public init(root: TrustedRoot, cachedLeaves: Int = 1024) {
        self.root = root
        leaves = LeafCache(capacity: cachedLeaves)
        timestampSigners = root.timestampAuthorities.map { authority in
            TimestampSigners(
                chain: authority.intermediates.isEmpty ? [authority.root] : authority.intermediates,
                roots: [authority.root])
        }
    }

    /// Who is expected to have signed.
    public enum ExpectedSigner: Sendable {
        /// Whoever proved this identity to this issuer.
        case certificate(CertificateIdentity)
        /// The holder of this key.
        case publicKey(PublicKey)
    }

    /// Verifies a keyless bundle. See ``verify(_:artifact:by:expecting:repositories:)``.
    public func verify(
        _ bundle: UnverifiedBundle, artifact: ArtifactDigest, identity: CertificateIdentity,
        expecting predicateType: String? = nil, repositories: [String]? = nil
    ) throws(VerificationError) -> VerifiedBundle {
        try verify(
            bundle, artifact: artifact, by: .certificate(identity), expecting: predicateType, repositories: repositories
        )
    }

    /// Verifies a bundle.
    ///
    /// - Parameters:
    ///   - predicateType: the only kind of statement accepted; nil for any. cosign takes an SBOM for a signature, so
    ///     whoever builds policy on the answer should pass one.
    ///   - repositories: the names (`host/path`) under which the artifact is looked at. A statement that carries
    ///     ``Statement/repositoryAnnotation`` must name one of them. nil leaves it unchecked and says so in the result.
    public func verify(
        _ bundle: UnverifiedBundle, artifact: ArtifactDigest, by signer: ExpectedSigner,
        expecting predicateType: String? = nil, repositories: [String]? = nil
    ) throws(VerificationError) -> VerifiedBundle {
        var checks: [String] = []
        let material = try material(of: bundle, for: signer)

        // (8) and (9) of the specification first: they need nothing but the bundle, and a changed signature is then
        // named as such instead of as a timestamp over other bytes. Nothing is believed before the end.
        try verifySignature(bundle, artifact, key: material.key, &checks)
        let statement = try verifyArtifact(bundle, artifact, expecting: predicateType, repositories, &checks)

        // (0) Establish the times at which trustworthy observers saw the signature
        let times = try observerTimes(of: bundle, &checks)

        if case .certificate(let certificate) = material, case .certificate(let expected) = signer {
            // (1) The certificate chains to the trusted root at each of these times, and (2) a CT log vouches for it
            let leaf = try verifyCertificate(certificate, at: times.map(\.time), &checks)
            // (3) It is the expected signer's
            try verifyIdentity(leaf, expected, &checks)
        }

        // (4) The log entry is of this very signature, (5) included in the log, (6) under a checkpoint of the log,
        // (7) and was made while the certificate was valid
        guard let first = bundle.tlogEntries.first else { throw .init(.tlogEntry, "the bundle has no log entry") }
        for entry in bundle.tlogEntries {
            try verifyEntry(entry, of: bundle, artifact, material, times, &checks)
        }
        return VerifiedBundle(
            bundle: bundle, artifact: artifact, statement: statement, signer: try material.signer(), tlogEntry: first,
            times: times, time: times[0].time, checks: checks)
    }
}

/// What the signature is verified with.
enum VerificationMaterial {
    case certificate(Certificate)
    case publicKey(PublicKey)

    var key: PublicKey {
        switch self {
        case .certificate(let certificate): certificate.publicKey
        case .publicKey(let key): key
        }
    }

    func signer() throws(VerificationError) -> VerifiedBundle.Signer {
        switch self {
        case .publicKey(let key): return .publicKey(key)
        case .certificate(let certificate):
            do throws(SigstoreError) {
                return .certificate(
                    identity: try certificate.signerIdentity(), issuer: try certificate.signerIssuer(), certificate)
            } catch {
                throw .init(.identity, error.observed)
            }
        }
    }
}

extension Verifier {
    private func material(
        of bundle: UnverifiedBundle, for signer: ExpectedSigner
    ) throws(VerificationError) -> VerificationMaterial {
        switch (bundle.material, signer) {
        case (.certificate(let der), .certificate):
            // decoding it again costs as much as two of its signatures
            if let known = leaves.leaf(for: der) { return .certificate(known.chain[0]) }
            do throws(CryptoError) {
                return .certificate(try Certificate(der: der))
            } catch {
                throw .init(.material, "the certificate cannot be read: \(error)")
            }
        case (.publicKey, .publicKey(let key)): return .publicKey(key)
        case (.publicKey, .certificate): throw .init(.material, "signed with a key, a certificate was expected")
        case (.certificate, .publicKey): throw .init(.material, "signed with a certificate, a key was expected")
        }
    }
}
