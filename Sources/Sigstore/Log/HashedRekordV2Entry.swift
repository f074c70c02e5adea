import OpenSSL
import StrictJSON

/// Rekor v2's `hashedrekord` 0.0.2, the only kind it takes (rekor-tiles, `HashedRekordRequestV002`). A DSSE envelope is
/// entered as the digest of its pre-authentication encoding.
struct HashedRekordV2Entry: Equatable {
    enum Verifier: Equatable {
        case certificate([UInt8])
        case publicKey([UInt8])
    }

    /// The digest of the signed bytes, by the algorithm that `keyDetails` names.
    let digest: [UInt8]
    let signature: [UInt8]
    let keyDetails: String
    let verifier: Verifier

    static let kind = "hashedrekord"
    static let version = "0.0.2"

    private static let algorithms = [32: "SHA2_256", 48: "SHA2_384", 64: "SHA2_512"]

    /// What a submission becomes.
    init(_ submission: LogSubmission) throws(SigstoreError) {
        let (details, algorithm) = try Self.details(of: submission.signer.key)
        keyDetails = details
        switch submission.content {
        case .envelope(let envelope):
            guard envelope.signatures.count == 1, let signed = envelope.signatures.first else {
                throw .unsupported("logging an envelope of several signatures")
            }
            digest = Hash.digest(algorithm, envelope.preAuthenticationEncoding)
            signature = signed.sig
        case .message(let digest, let signature):
            guard digest.count == algorithm.byteCount else {
                throw .unsupported("logging a digest of \(digest.count) bytes that a key of \(details) signed")
            }
            self.digest = digest
            self.signature = signature
        }
        verifier =
            switch submission.signer {
            case .certificate(let certificate): .certificate(certificate.der)
            case .publicKey(let key): .publicKey(key.spki)
            }
    }

    /// Refuses a key of a kind that this log does not take.
    static func check(_ key: PublicKey) throws(SigstoreError) { _ = try details(of: key) }

    /// The name of the key's algorithm and the digest it signs (sigstore_common.proto, `PublicKeyDetails`).
    private static func details(of key: PublicKey) throws(SigstoreError) -> (String, DigestAlgorithm) {
        switch key.algorithm {
        case .ecdsaP256: return ("PKIX_ECDSA_P256_SHA_256", .sha256)
        case .ecdsaP384: return ("PKIX_ECDSA_P384_SHA_384", .sha384)
        case .ecdsaP521: return ("PKIX_ECDSA_P521_SHA_512", .sha512)
        case .rsa(let bits) where [2048, 3072, 4096].contains(bits):
            return ("PKIX_RSA_PKCS1V15_\(bits)_SHA256", .sha256)
        case .rsa(let bits): throw .unsupported("an RSA key of \(bits) bits in Rekor v2")
        case .ed25519: throw .unsupported("an Ed25519 key in Rekor v2: it takes Ed25519ph only")
        }
    }

    /// Reads a request.
    init(request: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(document: "log request", parsing: request)
        try document.onlyMembers("hashedRekordRequestV002")
        let hashed = try document.required("hashedRekordRequestV002")
        digest = try hashed.required("digest").bytes()
        guard Self.algorithms[digest.count] != nil else { throw hashed.malformed("a digest of \(digest.count) bytes") }
        (signature, keyDetails, verifier) = try Self.signature(hashed)
    }

    /// Reads the body of an entry that the log returned.
    init(body bytes: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(document: "tlog entry body", parsing: bytes)
        guard try document.required("kind").string() == Self.kind,
            try document.required("apiVersion").string() == Self.version
        else { throw document.malformed("not a \(Self.kind) \(Self.version)") }
        let hashed = try document.required("spec").required("hashedRekordV002")
        let data = try hashed.required("data")
        digest = try data.required("digest").bytes()
        guard let name = Self.algorithms[digest.count], name == (try data.required("algorithm").string()) else {
            throw data.malformed("not a digest of its algorithm")
        }
        (signature, keyDetails, verifier) = try Self.signature(hashed)
    }

    private static func signature(_ field: JSONField) throws(SigstoreError) -> ([UInt8], String, Verifier) {
        let signature = try field.required("signature")
        let verifier = try signature.required("verifier")
        let material: Verifier
        switch (try verifier.optional("x509Certificate"), try verifier.optional("publicKey")) {
        case (.some(let certificate), nil): material = .certificate(try certificate.required("rawBytes").bytes())
        case (nil, .some(let key)): material = .publicKey(try key.required("rawBytes").bytes())
        default: throw verifier.malformed("exactly one of x509Certificate and publicKey is needed")
        }
        return (
            try signature.required("content").bytes(), try verifier.required("keyDetails").string(), material
        )
    }

    /// The bytes to post, in the order in which other clients write them.
    var request: [UInt8] {
        JSONValue.object([
            "hashedRekordRequestV002": .object([
                "digest": .string(Base64.encode(digest)),
                "signature": .object([
                    "content": .string(Base64.encode(signature)),
                    "verifier": .object([verifierMember.name: verifierMember.value, "keyDetails": .string(keyDetails)]),
                ]),
            ])
        ]).encoded()
    }

    /// The leaf that the log stores: canonical JSON (RFC 8785), which for these members is compact and sorted.
    var canonicalizedBody: [UInt8] {
        JSONValue.object([
            "apiVersion": .string(Self.version), "kind": .string(Self.kind),
            "spec": .object([
                "hashedRekordV002": .object([
                    "data": .object([
                        "algorithm": .string(Self.algorithms[digest.count] ?? ""),
                        "digest": .string(Base64.encode(digest)),
                    ]),
                    "signature": .object([
                        "content": .string(Base64.encode(signature)),
                        "verifier": .object([
                            "keyDetails": .string(keyDetails), verifierMember.name: verifierMember.value,
                        ]),
                    ]),
                ])
            ]),
        ]).encoded()
    }

    private var verifierMember: (name: String, value: JSONValue) {
        switch verifier {
        case .certificate(let der): ("x509Certificate", .object(["rawBytes": .string(Base64.encode(der))]))
        case .publicKey(let spki): ("publicKey", .object(["rawBytes": .string(Base64.encode(spki))]))
        }
    }
}
