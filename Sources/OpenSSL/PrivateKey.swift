internal import COpenSSL

/// A private key. It never leaves the process unless ``pem()`` is asked for, and OpenSSL cleanses its memory when the
/// last reference goes. Immutable, so it may sign on any number of threads.
public final class PrivateKey: @unchecked Sendable {
    /// The public half, an object of its own: keeping it does not keep the private key alive.
    public let publicKey: PublicKey
    private let raw: OpaquePointer

    /// What kind of key it is.
    public var algorithm: KeyAlgorithm { publicKey.algorithm }

    /// Makes a new key. RSA keys of 2048 to 8192 bits; throws `.unsupported` for other sizes.
    public static func generate(_ algorithm: KeyAlgorithm) throws(CryptoError) -> PrivateKey {
        let raw =
            switch algorithm {
            case .ecdsaP256: cossl_generate_ec("P-256")
            case .ecdsaP384: cossl_generate_ec("P-384")
            case .ecdsaP521: cossl_generate_ec("P-521")
            case .ed25519: cossl_generate_ed25519()
            case .rsa(let bits) where (2048...8192).contains(bits): cossl_generate_rsa(bits)
            case .rsa(let bits): throw .unsupported("RSA key of \(bits) bits")
            }
        guard let raw else { throw .failure(of: "generating a key") }
        return try PrivateKey(owning: raw)
    }

    /// Decodes the only private key of a PEM text: `PRIVATE KEY` (PKCS #8), `EC PRIVATE KEY` or `RSA PRIVATE KEY`.
    ///
    /// Throws `.unsupported` for encrypted keys and for algorithms other than those of ``KeyAlgorithm``.
    public convenience init(pem: String) throws(CryptoError) {
        if pem.contains("ENCRYPTED") { throw .unsupported("encrypted private key") }
        let blocks = try PEM.blocks(in: pem).filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard let block = blocks.first, blocks.count == 1 else {
            throw .malformed(what: "PEM", detail: "expected one private key, found \(blocks.count)")
        }
        try self.init(der: block.der)
    }

    /// Decodes a DER private key: PKCS #8 (RFC 5958), SEC 1 or PKCS #1, without anything behind it.
    public convenience init(der: [UInt8]) throws(CryptoError) {
        var raw: OpaquePointer?
        var consumed = 0
        der.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            raw = d2i_AutoPrivateKey(nil, &cursor, buffer.count)
            if let start = buffer.baseAddress, let cursor { consumed = cursor - start }
        }
        guard let raw else { throw .malformedBySSL("private key") }
        guard consumed == der.count else {
            EVP_PKEY_free(raw)
            throw .malformed(what: "private key", detail: "trailing bytes")
        }
        try self.init(owning: raw)
    }

    /// Takes ownership of `raw`, also when it throws.
    private init(owning raw: OpaquePointer) throws(CryptoError) {
        do {
            publicKey = try PublicKey(spki: encodeDER("a public key") { i2d_PUBKEY(raw, $0) })
        } catch {
            EVP_PKEY_free(raw)
            throw error
        }
        self.raw = raw
    }

    deinit { EVP_PKEY_free(raw) }

    /// The key in clear as PKCS #8 PEM. Only the lab stores keys; the service's signing keys are never written.
    public func pem() throws(CryptoError) -> String {
        let info = try Handle(EVP_PKEY2PKCS8(raw), "encoding a private key", release: PKCS8_PRIV_KEY_INFO_free)
        let der = try encodeDER("a private key") { i2d_PKCS8_PRIV_KEY_INFO(info.raw, $0) }
        return PEM(label: "PRIVATE KEY", der: der).text
    }

    /// Signs `message`; ECDSA signatures come as DER. Throws `.unsupported` when the scheme does not go with the key.
    public func sign(_ message: [UInt8], _ scheme: SignatureScheme? = nil) throws(CryptoError) -> [UInt8] {
        let scheme = scheme ?? algorithm.defaultScheme
        try scheme.checkUsable(with: algorithm)
        let context = try Handle(EVP_MD_CTX_new(), "allocating a digest context", release: EVP_MD_CTX_free)
        var keyContext: OpaquePointer?
        let digest = scheme.digest.map { MessageDigest.of($0).raw }
        guard EVP_DigestSignInit(context.raw, &keyContext, digest, nil, raw) == 1 else {
            throw .failure(of: "preparing to sign")
        }
        try scheme.configurePadding(keyContext, saltLength: RSA_PSS_SALTLEN_DIGEST)
        return try output("signing") { buffer, length in
            EVP_DigestSign(context.raw, buffer, &length, message, message.count)
        }
    }

    /// Signs a message of which only the digest is known; the counterpart of `PublicKey.verify(_:prehashed:_:)`.
    public func sign(prehashed digest: [UInt8], _ scheme: SignatureScheme) throws(CryptoError) -> [UInt8] {
        try scheme.checkUsable(with: algorithm)
        let digestAlgorithm = try scheme.checkPrehashed(digest)
        let context = try Handle(EVP_PKEY_CTX_new(raw, nil), "allocating a key context", release: EVP_PKEY_CTX_free)
        guard EVP_PKEY_sign_init(context.raw) == 1,
            EVP_PKEY_CTX_set_signature_md(context.raw, MessageDigest.of(digestAlgorithm).raw) == 1
        else { throw .failure(of: "preparing to sign") }
        try scheme.configurePadding(context.raw, saltLength: RSA_PSS_SALTLEN_DIGEST)
        return try output("signing") { buffer, length in
            EVP_PKEY_sign(context.raw, buffer, &length, digest, digest.count)
        }
    }

    /// A signature into a buffer as large as this key's signatures get; ECDSA's are often shorter.
    private func output(
        _ operation: String, _ sign: (UnsafeMutablePointer<UInt8>?, inout Int) -> Int32
    ) throws(CryptoError) -> [UInt8] {
        let capacity = Int(EVP_PKEY_get_size(raw))
        var status: Int32 = 0
        let signature = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            var length = capacity
            status = sign(buffer.baseAddress, &length)
            count = status == 1 ? length : 0
        }
        guard status == 1 else { throw .failure(of: operation) }
        return signature
    }
}

extension PrivateKey: CustomStringConvertible, CustomReflectable {
    /// Names the algorithm, never the key.
    public var description: String { "PrivateKey(\(algorithm), redacted)" }

    /// Nothing: reflection must not show what the description hides.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
