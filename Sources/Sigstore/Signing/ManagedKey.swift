public import OpenSSL

/// A signing key of one's own, for those who have no OIDC issuer: no certificate names the signer, verifiers need the
/// public key instead.
public struct ManagedKey: Sendable, CustomStringConvertible {
    /// The key.
    public let key: PrivateKey

    /// A key that is already there.
    public init(_ key: PrivateKey) { self.key = key }

    /// Reads a key file: PEM with `PRIVATE KEY` (PKCS #8), `EC PRIVATE KEY` or `RSA PRIVATE KEY`, or cosign's
    /// `ENCRYPTED SIGSTORE PRIVATE KEY` and `ENCRYPTED COSIGN PRIVATE KEY`.
    ///
    /// Blocks for the key derivation of an encrypted key, about a fifth of a second.
    /// - Parameter password: of an encrypted key; cosign's may be the empty one. It must not be given with a key in clear.
    /// - Throws: ``SigstoreError/identity(_:)`` with ``IdentityFault/key(_:)``, which quotes nothing of the file.
    public init(pem: String, password: [UInt8]? = nil) throws(SigstoreError) {
        do throws(CryptoError) {
            if pem.contains("Proc-Type:") || pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
                throw CryptoError.unsupported(
                    "OpenSSL's encrypted keys; import it with `cosign import-key-pair`, or give it in clear")
            }
            let keys = try PEM.blocks(in: pem).filter { $0.label.hasSuffix("PRIVATE KEY") }
            guard let block = keys.first, keys.count == 1 else {
                throw CryptoError.malformed(what: "key file", detail: "\(keys.count) private keys instead of one")
            }
            if EncryptedKey.labels.contains(block.label) {
                key = try Self.decrypt(block.der, password: password)
            } else {
                guard password == nil else {
                    throw CryptoError.unsupported("a password for a key that is not encrypted")
                }
                key = try PrivateKey(pem: pem)
            }
        } catch {
            throw .identity(.key("\(error)"))
        }
    }

    private static func decrypt(_ json: [UInt8], password: [UInt8]?) throws(CryptoError) -> PrivateKey {
        let sealed: EncryptedKey
        do throws(SigstoreError) { sealed = try EncryptedKey(json: json) } catch {
            throw .malformed(what: "encrypted key", detail: error.observed)
        }
        do {
            return try sealed.decrypted(password: password ?? [])
        } catch .signatureInvalid {
            throw .malformed(
                what: "encrypted key", detail: password == nil ? "it needs a password" : "the password does not open it"
            )
        }
    }

    /// The public half.
    public var publicKey: PublicKey { key.publicKey }

    /// How a bundle names the key (`verificationMaterial.publicKey.hint`): base64 of the SHA-256 of its DER
    /// SubjectPublicKeyInfo, as cosign writes it. Nobody authenticates it.
    public var hint: String { publicKey.hint }

    /// What stock verifiers make of signatures by this kind of key; nil if all of them accept it (P-256).
    public var caveat: String? {
        switch key.algorithm {
        case .ecdsaP256: nil
        case .ecdsaP384: "cosign verifies it only with --signature-digest-algorithm sha384"
        case .ecdsaP521: "cosign verifies it only with --signature-digest-algorithm sha512"
        case .rsa: "its signatures repeat: Rekor v2 answers the second one of the same content as a duplicate"
        case .ed25519: "cosign expects Ed25519ph of it and refuses Ed25519; only Rekor v1 takes its envelopes"
        }
    }

    /// Refuses a key of which a log takes no signature. By the digest of what was signed (hashedrekord: every entry of
    /// Rekor v2, and legacy signatures) that is Ed25519: it signs the message itself, and Ed25519ph is not in OpenSSL 3.0.
    /// Others are as the API says.
    /// - Parameters:
    ///   - api: that the log speaks.
    ///   - byDigest: whether a log that takes envelopes gets the digest alone.
    /// - Throws: ``SigstoreError/identity(_:)`` with ``IdentityFault/key(_:)``, which says what to use instead.
    public func checkLoggable(in api: RekorAPI, byDigest: Bool) throws(SigstoreError) {
        guard key.algorithm != .ed25519 || api.takesEnvelopes && !byDigest else {
            throw .identity(
                .key(
                    "Ed25519 signatures cannot be logged by digest (that needs Ed25519ph, which OpenSSL 3.0 lacks); use a "
                        + "P-256 key, or sign bundles alone, over a \(RekorAPI.names(\.takesEnvelopes))"))
        }
        do throws(SigstoreError) { try api.checkKey(publicKey) } catch {
            let others = RekorAPI.names { (try? $0.checkKey(publicKey)) != nil }
            throw .identity(.key("\(error.observed); use a P-256 key, or a \(others)"))
        }
    }

    /// The algorithm and the hint, never the key.
    public var description: String { "key \(hint) (\(key.algorithm))" }
}

extension PublicKey {
    /// Base64 of the SHA-256 of the DER SubjectPublicKeyInfo: how bundles hint at a key.
    public var hint: String { Base64.encode(Hash.sha256(spki)) }
}
