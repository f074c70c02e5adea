/// What kind of key this is, as far as it decides how to sign with it.
public enum KeyAlgorithm: Sendable, Equatable {
    case ecdsaP256
    case ecdsaP384
    case ecdsaP521
    /// RSA with a modulus of that many bits; 2048 to 8192 are accepted.
    case rsa(bits: Int)
    case ed25519

    /// The scheme used where none is given: the digest as wide as the curve (what Sigstore's default algorithms say),
    /// PKCS #1 v1.5 with SHA-256 for RSA.
    public var defaultScheme: SignatureScheme {
        switch self {
        case .ecdsaP256: .ecdsa(.sha256)
        case .ecdsaP384: .ecdsa(.sha384)
        case .ecdsaP521: .ecdsa(.sha512)
        case .rsa: .rsaPKCS1(.sha256)
        case .ed25519: .ed25519
        }
    }
}

/// How a signature is made from a message.
public enum SignatureScheme: Sendable, Equatable {
    /// ECDSA over the digest; the signature is DER `SEQUENCE { r, s }` (RFC 3279 §2.2.3).
    case ecdsa(DigestAlgorithm)
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    case rsaPKCS1(DigestAlgorithm)
    /// RSASSA-PSS (RFC 8017 §8.1), MGF1 with the same digest. Made with a salt as long as the digest; verified with a
    /// salt of any length, because Go's signers use the longest that fits.
    case rsaPSS(DigestAlgorithm)
    /// Pure Ed25519 over the message itself (RFC 8032 §5.1). Ed25519ph is not available in OpenSSL 3.0.
    case ed25519

    var digest: DigestAlgorithm? {
        switch self {
        case .ecdsa(let digest), .rsaPKCS1(let digest), .rsaPSS(let digest): digest
        case .ed25519: nil
        }
    }

    /// Throws unless the scheme goes with the key and its digest is still trusted.
    func checkUsable(with algorithm: KeyAlgorithm) throws(CryptoError) {
        switch (self, algorithm) {
        case (.ecdsa, .ecdsaP256), (.ecdsa, .ecdsaP384), (.ecdsa, .ecdsaP521), (.rsaPKCS1, .rsa), (.rsaPSS, .rsa),
            (.ed25519, .ed25519):
            break
        default:
            throw .unsupported("signature scheme \(self) with a key of algorithm \(algorithm)")
        }
        if digest == .sha1 { throw .unsupported("signatures over SHA-1") }
    }
}

extension SignatureScheme {
    /// The AlgorithmIdentifier that names this scheme in a certificate or CMS structure (RFC 3279, 5758, 4055, 8410).
    func algorithmIdentifier() throws(CryptoError) -> [UInt8] {
        switch self {
        case .ecdsa(.sha256): DER.sequence(try DER.objectIdentifier("1.2.840.10045.4.3.2"))
        case .ecdsa(.sha384): DER.sequence(try DER.objectIdentifier("1.2.840.10045.4.3.3"))
        case .ecdsa(.sha512): DER.sequence(try DER.objectIdentifier("1.2.840.10045.4.3.4"))
        case .rsaPKCS1(.sha256): DER.sequence(try DER.objectIdentifier("1.2.840.113549.1.1.11"), DER.null)
        case .rsaPKCS1(.sha384): DER.sequence(try DER.objectIdentifier("1.2.840.113549.1.1.12"), DER.null)
        case .rsaPKCS1(.sha512): DER.sequence(try DER.objectIdentifier("1.2.840.113549.1.1.13"), DER.null)
        case .ed25519: DER.sequence(try DER.objectIdentifier("1.3.101.112"))
        case .ecdsa(.sha1), .rsaPKCS1(.sha1), .rsaPSS:
            throw .unsupported("writing an algorithm identifier for \(self)")
        }
    }

    /// The scheme that an AlgorithmIdentifier names; `.unsupported` for every other one.
    init(algorithmIdentifier: ArraySlice<UInt8>) throws(CryptoError) {
        let known: [SignatureScheme] = [
            .ecdsa(.sha256), .ecdsa(.sha384), .ecdsa(.sha512), .ed25519, .rsaPKCS1(.sha256), .rsaPKCS1(.sha384),
            .rsaPKCS1(.sha512),
        ]
        for scheme in known where try scheme.algorithmIdentifier()[...] == algorithmIdentifier {
            self = scheme
            return
        }
        var outer = DERReader(algorithmIdentifier, "algorithm identifier")
        var inner = try outer.enter()
        throw .unsupported("signature algorithm \(try inner.readObjectIdentifier())")
    }
}
