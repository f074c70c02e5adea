internal import COpenSSL

/// A public key that signatures are checked with. Immutable, so it may be used from any number of threads.
///
/// Decoding a key costs OpenSSL 3.0 about 140 µs, more than a verification: keep the object, not its bytes.
public final class PublicKey: @unchecked Sendable {
    /// DER SubjectPublicKeyInfo, RFC 5280 §4.1.2.7.
    public let spki: [UInt8]
    /// What kind of key it is.
    public let algorithm: KeyAlgorithm
    private let components: SubjectPublicKeyInfo.Components
    private let raw: OpaquePointer

    /// Decodes a DER SubjectPublicKeyInfo.
    ///
    /// Throws `.malformed` for anything but strict DER or a point not on its curve, `.unsupported` for other algorithms
    /// and curves, compressed points, explicit parameters, and RSA outside 2048 to 8192 bits.
    public convenience init(spki: [UInt8]) throws(CryptoError) {
        let info = try SubjectPublicKeyInfo(der: spki)
        var decoded: OpaquePointer?
        spki.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            decoded = d2i_PUBKEY(nil, &cursor, buffer.count)
        }
        guard let decoded else { throw .malformedBySSL("public key") }
        self.init(owning: decoded, spki: spki, info: info)
    }

    /// Decodes the only `PUBLIC KEY` block of a PEM text; throws as ``init(spki:)`` does.
    public convenience init(pem: String) throws(CryptoError) {
        try self.init(spki: PEM.single("PUBLIC KEY", in: pem))
    }

    /// An RSA key from the unsigned big-endian numbers of a JWK (`n`, `e`; RFC 7518 §6.3.1).
    public convenience init(rsaModulus: [UInt8], exponent: [UInt8]) throws(CryptoError) {
        try self.init(spki: SubjectPublicKeyInfo.encode(rsaModulus: rsaModulus, exponent: exponent))
    }

    /// An elliptic-curve key from the full-width coordinates of a JWK (`x`, `y`; RFC 7518 §6.2.1).
    public convenience init(_ algorithm: KeyAlgorithm, x: [UInt8], y: [UInt8]) throws(CryptoError) {
        try self.init(spki: SubjectPublicKeyInfo.encode(ecPoint: x, y, on: algorithm))
    }

    /// An Ed25519 key from its 32 bytes (RFC 8032 §5.1.2).
    public convenience init(ed25519 bytes: [UInt8]) throws(CryptoError) {
        try self.init(spki: SubjectPublicKeyInfo.encode(ed25519: bytes))
    }

    /// Takes over one reference to a key that OpenSSL has already decoded from `spki`.
    init(owning raw: OpaquePointer, spki: [UInt8], info: SubjectPublicKeyInfo) {
        self.raw = raw
        self.spki = spki
        algorithm = info.algorithm
        components = info.components
    }

    deinit { EVP_PKEY_free(raw) }

    /// The key as a PEM `PUBLIC KEY` block.
    public var pem: String { PEM(label: "PUBLIC KEY", der: spki).text }

    /// Modulus and exponent, unsigned big-endian without leading zeros; nil unless this is an RSA key.
    public var rsaComponents: (modulus: [UInt8], exponent: [UInt8])? {
        if case .rsa(let modulus, let exponent) = components { (modulus, exponent) } else { nil }
    }

    /// Coordinates, each as wide as the field; nil unless this is an elliptic-curve key.
    public var ecPoint: (x: [UInt8], y: [UInt8])? {
        if case .ec(let x, let y) = components { (x, y) } else { nil }
    }

    /// The 32 bytes of an Ed25519 key; nil for every other kind.
    public var ed25519Bytes: [UInt8]? {
        if case .ed25519(let bytes) = components { bytes } else { nil }
    }
}

extension PublicKey: Equatable {
    /// Equal keys have equal SubjectPublicKeyInfo bytes.
    public static func == (first: PublicKey, second: PublicKey) -> Bool { first.spki == second.spki }
}

// MARK: - Verifying

extension PublicKey {
    /// Checks a signature over `message`; ECDSA signatures are DER.
    ///
    /// Returns only when it verifies. Throws `.signatureInvalid` when it does not, also when it is not a signature at
    /// all, and `.unsupported` when the scheme does not go with the key.
    public func verify(
        _ signature: [UInt8], of message: [UInt8], _ scheme: SignatureScheme? = nil
    ) throws(CryptoError) {
        let scheme = scheme ?? algorithm.defaultScheme
        try scheme.checkUsable(with: algorithm)
        let context = try Handle(EVP_MD_CTX_new(), "allocating a digest context", release: EVP_MD_CTX_free)
        var keyContext: OpaquePointer?
        let digest = scheme.digest.map { MessageDigest.of($0).raw }
        guard EVP_DigestVerifyInit(context.raw, &keyContext, digest, nil, raw) == 1 else {
            throw .failure(of: "preparing to verify")
        }
        try scheme.configurePadding(keyContext, saltLength: RSA_PSS_SALTLEN_AUTO)
        try Self.expectValid(EVP_DigestVerify(context.raw, signature, signature.count, message, message.count))
    }

    /// Checks a signature over a message of which only the digest is known.
    ///
    /// The digest's length must be that of the scheme. Throws as ``verify(_:of:_:)`` does; `.ed25519` is `.unsupported`,
    /// because pure Ed25519 signs the message itself and Ed25519ph does not exist in OpenSSL 3.0.
    public func verify(
        _ signature: [UInt8], prehashed digest: [UInt8], _ scheme: SignatureScheme
    ) throws(CryptoError) {
        try scheme.checkUsable(with: algorithm)
        let digestAlgorithm = try scheme.checkPrehashed(digest)
        let context = try Handle(EVP_PKEY_CTX_new(raw, nil), "allocating a key context", release: EVP_PKEY_CTX_free)
        guard EVP_PKEY_verify_init(context.raw) == 1,
            EVP_PKEY_CTX_set_signature_md(context.raw, MessageDigest.of(digestAlgorithm).raw) == 1
        else { throw .failure(of: "preparing to verify") }
        try scheme.configurePadding(context.raw, saltLength: RSA_PSS_SALTLEN_AUTO)
        try Self.expectValid(EVP_PKEY_verify(context.raw, signature, signature.count, digest, digest.count))
    }

    /// Zero means "no", a negative number "not a signature": what was sent is to blame for both.
    private static func expectValid(_ status: Int32) throws(CryptoError) {
        guard status == 1 else {
            ERR_clear_error()
            throw .signatureInvalid
        }
    }
}

extension SignatureScheme {
    func configurePadding(_ context: OpaquePointer?, saltLength: Int32) throws(CryptoError) {
        switch self {
        case .ecdsa, .ed25519: return
        case .rsaPKCS1:
            guard EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 else {
                throw .failure(of: "choosing PKCS #1 padding")
            }
        case .rsaPSS:
            guard EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(context, saltLength) == 1
            else { throw .failure(of: "choosing PSS padding") }
        }
    }

    func checkPrehashed(_ digest: [UInt8]) throws(CryptoError) -> DigestAlgorithm {
        guard let algorithm = self.digest else { throw .unsupported("Ed25519ph (prehashed Ed25519)") }
        guard digest.count == algorithm.byteCount else {
            throw .malformed(what: "\(algorithm) digest", detail: "\(digest.count) bytes")
        }
        return algorithm
    }
}
