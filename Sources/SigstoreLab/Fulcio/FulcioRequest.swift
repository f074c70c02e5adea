import FoundationEssentials
import OpenSSL

/// The body of `POST /api/v2/signingCert` and of its v1 forerunner: which key wants a certificate, and the proof that
/// the caller holds it.
struct FulcioRequest {
    enum Proof {
        /// A signature over the challenge claim.
        case signature([UInt8])
        /// A certificate signing request signs itself; nothing more is asked.
        case selfSigned
    }

    let key: PublicKey
    let proof: Proof

    /// Token in the body (`credentials.oidcIdentityToken`) of a v2 request, if there.
    static func token(in body: [UInt8]) throws(FulcioRefusal) -> String? {
        let request = try decode(V2.self, body)
        try request.checkOneof()
        return request.credentials?.oidcIdentityToken
    }

    /// Reads a v2 body (protobuf JSON: camel case or snake case, unknown fields ignored).
    init(v2 body: [UInt8]) throws(FulcioRefusal) {
        let request = try Self.decode(V2.self, body)
        if let csr = request.csr {
            guard let bytes = [UInt8](base64: csr),
                let parsed = try? CertificateRequest(pem: String(decoding: bytes, as: UTF8.self))
            else { throw .csr }
            do { try parsed.verify() } catch { throw .proof }
            (key, proof) = (parsed.publicKey, .selfSigned)
            return
        }
        guard let pem = request.keyRequest?.publicKey?.content, let key = Self.publicKey(pem: pem) else {
            throw .publicKey
        }
        self.key = key
        proof = .signature(request.keyRequest?.proof.flatMap { [UInt8](base64: $0) } ?? [])
    }

    /// Reads a v1 body: base64 DER key, proof in `signedEmailAddress`.
    init(v1 body: [UInt8]) throws(FulcioRefusal) {
        let request = try Self.decode(V1.self, body)
        guard let content = request.publicKey?.content, let der = [UInt8](base64: content) else { throw .publicKey }
        let text = String(decoding: der, as: UTF8.self)
        guard let key = Self.publicKey(pem: text) ?? (try? PublicKey(spki: der)) else { throw .publicKey }
        self.key = key
        proof = .signature(request.signedEmailAddress.flatMap { [UInt8](base64: $0) } ?? [])
    }

    private static func publicKey(pem: String) -> PublicKey? {
        pem.contains("-----BEGIN") ? try? PublicKey(pem: pem) : nil
    }

    private static func decode<T: Decodable>(_ type: T.Type, _ body: [UInt8]) throws(FulcioRefusal) -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(body))
        } catch DecodingError.dataCorrupted {
            throw .body("unexpected EOF")
        } catch {
            throw .body("proto:\u{A0}(line 1:1): unexpected token")
        }
    }

    private struct V1: Decodable {
        struct Key: Decodable { let content: String? }
        let publicKey: Key?
        let signedEmailAddress: String?
    }

    private struct V2: Decodable {
        struct Credentials: Decodable {
            let oidcIdentityToken: String?
            init(from decoder: any Decoder) throws {
                oidcIdentityToken = try decoder.field("oidcIdentityToken")
            }
        }
        struct Key: Decodable {
            let content: String?
        }
        struct KeyRequest: Decodable {
            let publicKey: Key?
            let proof: String?
            init(from decoder: any Decoder) throws {
                publicKey = try decoder.field("publicKey")
                proof = try decoder.field("proofOfPossession")
            }
        }

        let credentials: Credentials?
        let keyRequest: KeyRequest?
        let csr: String?

        init(from decoder: any Decoder) throws {
            credentials = try decoder.field("credentials")
            keyRequest = try decoder.field("publicKeyRequest")
            csr = try decoder.field("certificateSigningRequest")
        }

        func checkOneof() throws(FulcioRefusal) {
            guard keyRequest == nil || csr == nil else {
                let name = "dev.sigstore.fulcio.v2.CreateSigningCertificateRequest.key"
                throw .body(
                    "proto:\u{A0}(line 1:1): error parsing \"certificateSigningRequest\", oneof \(name) is already set")
            }
        }
    }
}
