import FoundationEssentials
import OpenSSL

/// The body of `POST /api/v2/log/entries`, checked as rekor-tiles checks it: `{"hashedRekordRequestV002":{…}}`.
///
/// Protobuf JSON, strict: unknown fields are refused by name, byte fields are base64 in either alphabet.
struct HashedRekordRequest {
    /// What is logged: RFC 8785 JSON of the entry.
    let canonicalBody: [UInt8]

    /// - Throws: `TiledRefusal`.
    init(json: [UInt8]) throws {
        let message: Message
        do {
            message = try JSONDecoder().decode(Message.self, from: Data(json))
        } catch let unknown as UnknownField {
            throw TiledRefusal.body("proto:\u{A0}(line 1:\(Self.column(of: unknown, in: json))): \(unknown.reason)")
        } catch DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty {
            throw TiledRefusal.body("unexpected EOF")
        } catch {
            throw TiledRefusal.body("proto:\u{A0}syntax error (line 1:1): unexpected token")
        }
        guard let request = message.request else { throw TiledRefusal.type }
        canonicalBody = try request.canonicalBody()
        guard canonicalBody.count <= TiledLog.maxLeafBytes else { throw TiledRefusal.entry }
    }

    /// Where the name stands, counted from 1, as the parser tells it.
    private static func column(of field: UnknownField, in json: [UInt8]) -> Int {
        let text = String(decoding: json, as: UTF8.self)
        guard let place = text.firstRange(of: "\"\(field.name)\"") else { return 1 }
        return text.utf8.distance(from: text.utf8.startIndex, to: place.lowerBound) + 1
    }
}

extension UnknownField {
    fileprivate var reason: String { "unknown field \"\(name)\"" }
}

private struct Message: Decodable {
    let request: Request?

    init(from decoder: any Decoder) throws {
        try decoder.requireOnly("hashedRekordRequestV002", "dsseRequestV002")
        request = try decoder.field("hashedRekordRequestV002")
    }

    struct Request: Decodable {
        let digest: [UInt8]
        let signature: Signature?

        init(from decoder: any Decoder) throws {
            try decoder.requireOnly("digest", "signature")
            digest = try decoder.bytes("digest")
            signature = try decoder.field("signature")
        }

        struct Signature: Decodable {
            let content: [UInt8]
            let verifier: Verifier?

            init(from decoder: any Decoder) throws {
                try decoder.requireOnly("content", "verifier")
                content = try decoder.bytes("content")
                verifier = try decoder.field("verifier")
            }
        }

        struct Verifier: Decodable {
            let certificate: Bytes?
            let publicKey: Bytes?
            let keyDetails: String?

            init(from decoder: any Decoder) throws {
                try decoder.requireOnly("x509Certificate", "publicKey", "keyDetails")
                certificate = try decoder.field("x509Certificate")
                publicKey = try decoder.field("publicKey")
                keyDetails = try decoder.field("keyDetails")
            }

            struct Bytes: Decodable {
                let raw: [UInt8]
                init(from decoder: any Decoder) throws {
                    try decoder.requireOnly("rawBytes")
                    raw = try decoder.bytes("rawBytes")
                }
            }
        }
    }
}

extension Message.Request {
    /// Algorithms that the log takes. Ed25519ph, which the real one takes too, OpenSSL 3.0 cannot verify.
    private static let algorithms: [String: (key: KeyAlgorithm, digest: DigestAlgorithm, name: String)] = [
        "PKIX_ECDSA_P256_SHA_256": (.ecdsaP256, .sha256, "SHA2_256"),
        "PKIX_ECDSA_P384_SHA_384": (.ecdsaP384, .sha384, "SHA2_384"),
        "PKIX_ECDSA_P521_SHA_512": (.ecdsaP521, .sha512, "SHA2_512"),
        "PKIX_RSA_PKCS1V15_2048_SHA256": (.rsa(bits: 2048), .sha256, "SHA2_256"),
        "PKIX_RSA_PKCS1V15_3072_SHA256": (.rsa(bits: 3072), .sha256, "SHA2_256"),
        "PKIX_RSA_PKCS1V15_4096_SHA256": (.rsa(bits: 4096), .sha256, "SHA2_256"),
    ]

    fileprivate func canonicalBody() throws -> [UInt8] {
        guard let signature, let verifier = signature.verifier, let details = verifier.keyDetails,
            let algorithm = Self.algorithms[details], digest.count == algorithm.digest.byteCount
        else { throw TiledRefusal.entry }
        do {
            // a certificate for keys that have one; both at once the protobuf message cannot hold
            let key =
                try verifier.certificate.map { try Certificate(der: $0.raw).publicKey }
                ?? PublicKey(spki: verifier.publicKey?.raw ?? [])
            guard key.algorithm == algorithm.key, verifier.certificate == nil || verifier.publicKey == nil else {
                throw TiledRefusal.entry
            }
            let scheme: SignatureScheme =
                if case .rsa = algorithm.key { .rsaPKCS1(algorithm.digest) } else { .ecdsa(algorithm.digest) }
            try key.verify(signature.content, prehashed: digest, scheme)
        } catch {
            throw TiledRefusal.entry
        }
        return try canonicalJSON(
            Entry(
                spec: .init(
                    hashedRekordV002: .init(
                        data: .init(algorithm: algorithm.name, digest: digest.base64),
                        signature: .init(
                            content: signature.content.base64,
                            verifier: .init(
                                keyDetails: details,
                                publicKey: (verifier.publicKey?.raw).map { ["rawBytes": $0.base64] },
                                x509Certificate: (verifier.certificate?.raw).map { ["rawBytes": $0.base64] }))))))
    }

    private struct Entry: Encodable {
        let apiVersion = "0.0.2"
        let kind = "hashedrekord"
        let spec: Spec

        struct Spec: Encodable { let hashedRekordV002: Record }
        struct Record: Encodable {
            let data: Digest
            let signature: Signature
        }
        struct Digest: Encodable { let algorithm, digest: String }
        struct Signature: Encodable {
            let content: String
            let verifier: Verifier
        }
        struct Verifier: Encodable {
            let keyDetails: String
            let publicKey: [String: String]?
            let x509Certificate: [String: String]?
        }
    }
}

extension Decoder {
    /// A protobuf `bytes` field: base64, either alphabet, padded or not; empty if it is not there.
    fileprivate func bytes(_ name: String) throws -> [UInt8] {
        guard let text: String = try field(name) else { return [] }
        let standard = text.replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let bytes = [UInt8](base64: standard + padding) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [FieldName(name)], debugDescription: "not base64"))
        }
        return bytes
    }
}
