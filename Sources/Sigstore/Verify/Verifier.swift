import FoundationEssentials
public import OpenSSL

/// Decides whether a bundle, or a signature in the older format, is by the expected signer over the artifact, as of a
/// trusted root.
///
/// The steps are those of the Sigstore client specification, section 4 (architecture-docs, `client-spec.md`); the sections
/// are the numbers in the code, in ``VerificationStep`` and in ``VerificationError``. At least one log entry and one
/// trusted time are demanded (``Demands`` says otherwise only for keys), and *everything* that is presented must hold: a
/// second entry or timestamp that does not verify spoils the whole, since nothing says which one a reader will go by.
public struct Verifier: Sendable {
    /// The anchors.
    public let root: TrustedRoot
    /// What is demanded of every signature, unless a call says otherwise.
    public let demands: Demands
    /// Only certificates that chain to the trusted root, by their DER: others are rare, and remembering them would let a
    /// stranger fill it.
    let leaves: RecentlyUsed<VerifiedLeaf>
    /// One for each of the root's timestamp authorities, in their order.
    let timestampSigners: [TimestampSigners]

    /// A verifier; the trusted root is parsed already and shared. Results about the last `cachedLeaves` certificates and
    /// about timestamp authorities are remembered, so that a thousand signatures under one certificate cost one chain and
    /// one SCT check.
    public init(root: TrustedRoot, demanding demands: Demands = .standard, cachedLeaves: Int = 1024) {
        self.root = root
        self.demands = demands
        leaves = RecentlyUsed(capacity: cachedLeaves)
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

    /// Verifies a keyless bundle. See ``verify(_:artifact:by:expecting:repositories:demanding:)``.
    public func verify(
        _ bundle: UnverifiedBundle, artifact: ArtifactDigest, identity: CertificateIdentity,
        expecting predicateType: String? = nil, repositories: [String]? = nil
    ) throws(VerificationError) -> VerifiedSignature {
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
    ///   - demands: nil: this verifier's.
    public func verify(
        _ bundle: UnverifiedBundle, artifact: ArtifactDigest, by signer: ExpectedSigner,
        expecting predicateType: String? = nil, repositories: [String]? = nil, demanding demands: Demands? = nil
    ) throws(VerificationError) -> VerifiedSignature {
        try verify(
            bundle, over: nil, artifact: artifact, by: signer, expecting: predicateType, repositories: repositories,
            demanding: demands)
    }

    /// The same where the artifact's bytes are at hand: for a signature over the artifact itself by an Ed25519 key its
    /// digest is not enough (``UnverifiedBundle/isOverBytes(by:)``).
    /// - Parameter contents: the bytes; they must have the digest.
    public func verify(
        _ bundle: UnverifiedBundle, over contents: [UInt8]?, artifact: ArtifactDigest, by signer: ExpectedSigner,
        expecting predicateType: String? = nil, repositories: [String]? = nil, demanding demands: Demands? = nil
    ) throws(VerificationError) -> VerifiedSignature {
        let presented = PresentedSignature(bundle, artifact, contents: contents)
        return try verify(presented, of: artifact, by: signer, demands ?? self.demands) {
            (steps) throws(VerificationError) in
            try verifyArtifact(bundle, artifact, expecting: predicateType, repositories, &steps)
        }
    }

    /// The line that both formats take; `claim` judges what was said of the artifact (the second half of 4.5).
    func verify(
        _ presented: PresentedSignature, of artifact: ArtifactDigest, by signer: ExpectedSigner, _ demands: Demands,
        claim judge: (inout [VerificationStep]) throws(VerificationError) -> VerifiedSignature.Claim
    ) throws(VerificationError) -> VerifiedSignature {
        var steps: [VerificationStep] = []
        // (4.1) Inputs
        let material = try material(of: presented, for: signer)

        // (4.5) first: it needs nothing but what is presented, and a changed signature is then named as such instead of
        // as a timestamp over other bytes. Nothing is believed before the end.
        try verifySignature(presented, by: material, &steps)
        let claim = try judge(&steps)

        // (4.2) Establishing a time for the signature: 4.2.1 timestamping service, 4.2.2 Rekor v1 timestamp
        let times = try observerTimes(of: presented, material, demands, &steps)

        if case .certificate(let certificate) = material, case .certificate(let expected) = signer {
            // (4.3) The certificate chains to the trusted root at each of these times, a CT log vouches for it, and it
            // is the expected signer's
            let leaf = try verifyCertificate(
                certificate, presented.intermediates, at: times.map(\.time), demands, &steps)
            try verifyIdentity(leaf, expected, &steps)
        }

        // (4.4) Every log entry is of this very signature, included in a log of the trusted root under a checkpoint of
        // that log, and made while the certificate was valid
        try verifyEntries(of: presented, material, times, demands, &steps)
        return VerifiedSignature(
            source: presented.source, artifact: artifact, claim: claim, signer: try material.signer(),
            tlogEntries: presented.entries, times: times, steps: steps,
            warnings: warnings(presented, signer, demands))
    }

    private func warnings(
        _ presented: PresentedSignature, _ signer: ExpectedSigner, _ demands: Demands
    ) -> [String] {
        var warnings: [String] = []
        if case .certificate(let identity) = signer { warnings += identity.warnings }
        if presented.entries.isEmpty {
            warnings.append("no log was asked for: nothing shows that the signature is public")
        }
        if demands.acceptsUntransparentCertificates {
            warnings.append("certificates are accepted without transparency")
        }
        return warnings
    }
}

extension UnverifiedBundle {
    /// Whether the digest of the artifact is not enough to verify the signature: pure Ed25519 is over the bytes themselves.
    public func isOverBytes(by signer: Verifier.ExpectedSigner) -> Bool {
        guard case .messageSignature = content else { return false }
        switch (material, signer) {
        case (.certificate(let der), _): return (try? Certificate(der: der))?.publicKey.algorithm == .ed25519
        case (.publicKey, .publicKey(let key)): return key.algorithm == .ed25519
        case (.publicKey, .certificate): return false
        }
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

    /// The bytes that a log keeps of it.
    var der: [UInt8] {
        switch self {
        case .certificate(let certificate): certificate.der
        case .publicKey(let key): key.spki
        }
    }

    /// The same as text.
    var pem: String {
        switch self {
        case .certificate(let certificate): certificate.pem
        case .publicKey(let key): key.pem
        }
    }

    func signer() throws(VerificationError) -> VerifiedSignature.Signer {
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
    /// (4.1) The certificate or key that is presented, of the kind that is expected.
    func material(
        of presented: PresentedSignature, for signer: ExpectedSigner
    ) throws(VerificationError) -> VerificationMaterial {
        switch (presented.material, signer) {
        case (.certificate(let der), .certificate):
            // decoding it again costs as much as two of its signatures
            if let known = leaves.value(for: der) { return .certificate(known.chain[0]) }
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
