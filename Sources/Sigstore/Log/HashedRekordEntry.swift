import OpenSSL
import StrictJSON

/// Rekor v1's `hashedrekord` 0.0.1: a signature over bytes of which the log learns only the digest
/// (rekor/pkg/types/hashedrekord/v0.0.1).
struct HashedRekordEntry: Equatable {
    /// The digest of the signed bytes; SHA-256, SHA-384 or SHA-512 by its length.
    let digest: [UInt8]
    let signature: [UInt8]
    /// The PEM of the certificate or key.
    let verifierPEM: [UInt8]

    static let kind = "hashedrekord"
    static let version = "0.0.1"

    private static let algorithms = ["sha256": 32, "sha384": 48, "sha512": 64]

    init(digest: [UInt8], signature: [UInt8], verifierPEM: String) throws(SigstoreError) {
        guard Self.algorithms.values.contains(digest.count) else {
            throw .unsupported("logging a digest of \(digest.count) bytes")
        }
        self.digest = digest
        self.signature = signature
        self.verifierPEM = Array(verifierPEM.utf8)
    }

    /// Reads a request or a canonicalized body, which are the same document.
    init(_ document: JSONField) throws(SigstoreError) {
        guard try document.required("kind").string() == Self.kind,
            try document.required("apiVersion").string() == Self.version
        else { throw document.malformed("not a \(Self.kind) \(Self.version)") }
        let spec = try document.required("spec")
        let hash = try spec.required("data").required("hash")
        digest = try hash.required("value").hex()
        guard Self.algorithms[try hash.required("algorithm").string()] == digest.count else {
            throw hash.malformed("not a digest of its algorithm")
        }
        let signature = try spec.required("signature")
        self.signature = try signature.required("content").bytes()
        verifierPEM = try signature.required("publicKey").required("content").bytes()
    }

    /// The leaf that the log stores, compact JSON with sorted members; also what is submitted.
    var canonicalizedBody: [UInt8] {
        let algorithm = Self.algorithms.first { $0.value == digest.count }?.key ?? ""
        return JSONValue.object([
            "apiVersion": .string(Self.version), "kind": .string(Self.kind),
            "spec": .object([
                "data": .object([
                    "hash": .object(["algorithm": .string(algorithm), "value": .string(Hex.encode(digest))])
                ]),
                "signature": .object([
                    "content": .string(Base64.encode(signature)),
                    "publicKey": .object(["content": .string(Base64.encode(verifierPEM))]),
                ]),
            ]),
        ]).encoded()
    }
}
