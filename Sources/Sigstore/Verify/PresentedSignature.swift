package import OpenSSL

/// What a bundle and an older signature have in common: everything that the steps of verification look at.
struct PresentedSignature {
    let source: VerifiedSignature.Source
    let material: UnverifiedBundle.Material
    /// Certificates that may stand between the signer's and the trusted root.
    let intermediates: [Certificate]
    let content: SignedContent
    let signature: [UInt8]
    let entries: [TlogEntry]
    let timestamps: [[UInt8]]
    /// What the timestamps are made over.
    let stamped: [UInt8]

    /// - Parameter contents: the artifact's bytes, where they are at hand.
    init(_ bundle: UnverifiedBundle, _ artifact: ArtifactDigest, contents: [UInt8]? = nil) {
        source = .bundle(bundle)
        material = bundle.material
        intermediates = []
        switch bundle.content {
        case .envelope(let envelope): content = .envelope(envelope)
        case .messageSignature: content = .artifact(artifact, contents)
        }
        signature = bundle.content.signature
        entries = bundle.tlogEntries
        timestamps = bundle.timestamps
        stamped = signature
    }

    init(_ legacy: LegacySignature) {
        source = .legacy(legacy)
        material = legacy.certificate.map { .certificate($0.der) } ?? .publicKey(hint: "")
        intermediates = legacy.chain
        switch legacy.content {
        case .envelope(let envelope): content = .envelope(envelope)
        case .payload(let bytes, _): content = .message(bytes)
        }
        signature = legacy.signature
        entries = legacy.entry.map { [$0] } ?? []
        timestamps = legacy.timestamp.map { [$0] } ?? []
        stamped = legacy.stamped
    }
}

/// What a signature is over.
enum SignedContent {
    /// The pre-authentication encoding of an envelope.
    case envelope(Envelope)
    /// An artifact of which the digest is known, and the bytes where somebody has them.
    case artifact(ArtifactDigest, [UInt8]?)
    /// These bytes.
    case message([UInt8])

    /// The digest of what is signed, in the algorithm of that name; nil if it cannot be known.
    func digest(_ algorithm: String) -> [UInt8]? {
        if case .artifact(let artifact, _) = self { return artifact.algorithm == algorithm ? artifact.bytes : nil }
        guard let algorithm = DigestAlgorithm(rawValue: algorithm), algorithm != .sha1 else { return nil }
        switch self {
        case .envelope(let envelope): return Hash.digest(algorithm, envelope.preAuthenticationEncoding)
        case .message(let bytes): return Hash.digest(algorithm, bytes)
        case .artifact: return nil
        }
    }
}

extension PublicKey {
    /// Checks a signature by this key; returns the scheme that it is.
    ///
    /// A key may have signed in more than one way (Sigstore algorithm registry, with the deprecated names that older
    /// signers used): RSA with PKCS #1 v1.5 or PSS padding, P-384 and P-521 over their own digest or over SHA-256.
    func verify(_ signature: [UInt8], over content: SignedContent) throws(CryptoError) -> SignatureScheme {
        var refusal = CryptoError.unsupported("\(algorithm) over the digest that is known of the artifact")
        for scheme in schemes(for: content) {
            do throws(CryptoError) {
                switch content {
                case .envelope(let envelope): try verify(signature, of: envelope.preAuthenticationEncoding, scheme)
                case .message(let bytes): try verify(signature, of: bytes, scheme)
                case .artifact(_, let contents?) where scheme == .ed25519: try verify(signature, of: contents, scheme)
                case .artifact(let artifact, _): try verify(signature, prehashed: artifact.bytes, scheme)
                }
                return scheme
            } catch {
                refusal = error
            }
        }
        throw refusal
    }

    private func schemes(for content: SignedContent) -> [SignatureScheme] {
        if case .artifact(let artifact, let contents) = content {
            guard let digest = DigestAlgorithm(rawValue: artifact.algorithm), digest != .sha1 else { return [] }
            switch algorithm {
            case .ecdsaP256, .ecdsaP384, .ecdsaP521: return [.ecdsa(digest)]
            case .rsa: return [.rsaPKCS1(digest), .rsaPSS(digest)]
            // pure Ed25519 is over the bytes themselves
            case .ed25519: return contents == nil ? [] : [.ed25519]
            }
        }
        switch algorithm {
        case .ecdsaP256: return [.ecdsa(.sha256)]
        case .ecdsaP384: return [.ecdsa(.sha384), .ecdsa(.sha256)]
        case .ecdsaP521: return [.ecdsa(.sha512), .ecdsa(.sha256)]
        case .rsa: return [.rsaPKCS1(.sha256), .rsaPSS(.sha256)]
        case .ed25519: return [.ed25519]
        }
    }
}

extension SignatureScheme {
    /// As people write it.
    package var name: String {
        switch self {
        case .ecdsa(let digest): "ECDSA with \(digest.name)"
        case .rsaPKCS1(let digest): "RSA PKCS #1 v1.5 with \(digest.name)"
        case .rsaPSS(let digest): "RSA PSS with \(digest.name)"
        case .ed25519: "Ed25519"
        }
    }
}

extension DigestAlgorithm {
    fileprivate var name: String { "SHA-" + (self == .sha1 ? "1" : String(rawValue.dropFirst(3))) }
}
