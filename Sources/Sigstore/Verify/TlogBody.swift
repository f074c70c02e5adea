import OpenSSL
import StrictJSON

/// A log entry's body, in the kinds that signatures are logged as.
enum TlogBody {
    /// Rekor v1, of an envelope.
    case dsse(DSSEEntry)
    /// Rekor v1, of an envelope as it was sent, without its signature: what cosign wrote for attestations before 2.2, and writes
    /// when it is told to.
    case intotoEnvelope(hash: [UInt8], payloadHash: [UInt8]?, verifier: Logged)
    /// Rekor v1, of an envelope; what sigstore-js wrote.
    case intoto(payloadHash: [UInt8], signature: [UInt8], verifier: Logged)
    /// Rekor v1 or v2, of a digest: an artifact's, or where the log takes no envelopes also that of an envelope's
    /// pre-authentication encoding.
    case hashedRekord(isOfEnvelopes: Bool, algorithm: String, digest: [UInt8], signature: [UInt8], verifier: Logged)

    /// The certificate or key that the log checked the signature with.
    enum Logged {
        /// Rekor v1 keeps the text it was sent.
        case pem([UInt8])
        /// Rekor v2 keeps DER.
        case der([UInt8])

        func isSame(as material: VerificationMaterial) throws(SigstoreError) -> Bool {
            switch self {
            case .der(let bytes): return bytes == material.der
            case .pem(let bytes):
                // nearly everybody sends the very text that we would write: no need to decode a certificate again
                return bytes.elementsEqual(material.pem.utf8) ? true : try Self.der(fromPEM: bytes) == material.der
            }
        }

        private static func der(fromPEM bytes: [UInt8]) throws(SigstoreError) -> [UInt8] {
            let text = String(decoding: bytes, as: UTF8.self)
            do throws(CryptoError) {
                // bytes: nothing vouches for the body yet, and a search among characters can be made to last
                if bytes.firstRange(of: Array("BEGIN CERTIFICATE".utf8)) != nil {
                    return try Certificate(pem: text).der
                }
                return try PublicKey(pem: text).spki
            } catch {
                throw .malformed("tlog entry body", "its verifier is neither certificate nor key: \(error)")
            }
        }
    }

    /// Reads the body, which must be of the kind and version that the entry says.
    init(_ entry: TlogEntry) throws(SigstoreError) {
        let body = try JSONField(
            document: "tlog entry body", parsing: entry.canonicalizedBody,
            limits: JSONLimits(maxValues: UnverifiedBundle.maxValues))
        guard try body.required("kind").string() == entry.kind,
            try body.required("apiVersion").string() == entry.version
        else { throw body.malformed("it is not the \(entry.kind) \(entry.version) that the entry says") }
        guard let kind = RekorAPI.all.flatMap(\.entryKinds).first(where: { $0.isKind(of: entry) }) else {
            throw .unsupported("a log entry of kind \(entry.kind) \(entry.version)")
        }
        self = try kind.read(body)
    }

    static func intotoEnvelope(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let spec = try body.required("spec")
        let content = try spec.required("content")
        let payload = try content.optional("payloadHash")
        return .intotoEnvelope(
            hash: try sha256(content.required("hash")),
            payloadHash: try payload.map { (field) throws(SigstoreError) in try sha256(field) },
            verifier: .pem(try spec.required("publicKey").bytes()))
    }

    private static func sha256(_ hash: JSONField) throws(SigstoreError) -> [UInt8] {
        guard try hash.required("algorithm").string() == "sha256" else { throw hash.malformed("not SHA-256") }
        return try hash.required("value").hex()
    }

    static func intoto(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let content = try body.required("spec").required("content")
        let payloadHash = try sha256(content.required("payloadHash"))
        let signatures = try content.required("envelope").required("signatures").elements(atMost: 32)
        guard signatures.count == 1, let signature = signatures.first else {
            throw content.malformed("\(signatures.count) signatures instead of one")
        }
        // this kind encodes the base64 text of the signature once more
        let sig = try signature.required("sig").bytes()
        guard let decoded = Base64.decode(String(decoding: sig, as: UTF8.self)) else {
            throw signature.malformed("sig is not base64 of base64")
        }
        return .intoto(
            payloadHash: payloadHash, signature: decoded,
            verifier: .pem(try signature.required("publicKey").bytes()))
    }

    static func hashedRekord1(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let spec = try body.required("spec")
        let hash = try spec.required("data").required("hash")
        let signature = try spec.required("signature")
        return .hashedRekord(
            isOfEnvelopes: false, algorithm: try hash.required("algorithm").string(),
            digest: try hash.required("value").hex(),
            signature: try signature.required("content").bytes(),
            verifier: .pem(try signature.required("publicKey").required("content").bytes()))
    }

    static func hashedRekord2(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let spec = try body.required("spec").required("hashedRekordV002")
        let data = try spec.required("data")
        let signature = try spec.required("signature")
        let verifier = try signature.required("verifier")
        let certificate = try verifier.optional("x509Certificate")
        let raw = if let certificate { certificate } else { try verifier.required("publicKey") }
        return .hashedRekord(
            isOfEnvelopes: true,
            algorithm: ArtifactDigest.algorithms[try data.required("algorithm").string()] ?? "unknown",
            digest: try data.required("digest").bytes(), signature: try signature.required("content").bytes(),
            verifier: .der(try raw.required("rawBytes").bytes()))
    }

    /// Compares the body with what is presented: the same content, signature, and certificate or key.
    func check(against presented: PresentedSignature, _ material: VerificationMaterial) throws(SigstoreError) {
        func differs(_ what: String) -> SigstoreError { .malformed("tlog entry body", "it is of another \(what)") }
        switch (self, presented.content) {
        case (.dsse(let entry), .envelope(let envelope)):
            guard entry.payloadHash == Hash.sha256(envelope.payload) else { throw differs("payload") }
            guard entry.signatures.count == 1, let signed = entry.signatures.first,
                signed.signature == presented.signature
            else { throw differs("signature") }
            guard try Logged.pem(signed.verifierPEM).isSame(as: material) else { throw differs("signer") }
        case (.intotoEnvelope(let hash, let payloadHash, let verifier), .envelope(let envelope)):
            // the signature is in the hashed bytes alone, and only a layer still is these bytes: a bundle spells anew
            guard case .legacy(let legacy) = presented.source else {
                throw .unsupported("a log entry of kind intoto 0.0.1 in a bundle")
            }
            guard hash == Hash.sha256(legacy.layer) else { throw differs("envelope") }
            if let payloadHash, payloadHash != Hash.sha256(envelope.payload) { throw differs("payload") }
            guard try verifier.isSame(as: material) else { throw differs("signer") }
        case (.intoto(let payloadHash, let signature, let verifier), .envelope(let envelope)):
            guard payloadHash == Hash.sha256(envelope.payload) else { throw differs("payload") }
            guard signature == presented.signature else { throw differs("signature") }
            guard try verifier.isSame(as: material) else { throw differs("signer") }
        case (.hashedRekord(let isOfEnvelopes, let algorithm, let digest, let signature, let verifier), let content):
            if case .envelope = content, !isOfEnvelopes {
                // in Rekor v1 an envelope is logged as dsse or intoto; a hashedrekord of it would be of another signature
                throw .unsupported("a hashedrekord 0.0.1 entry for an envelope")
            }
            guard let expected = content.digest(algorithm) else {
                throw .unsupported("a \(printable(algorithm, limit: 20)) entry for this content")
            }
            guard digest == expected else { throw differs("artifact") }
            guard signature == presented.signature else { throw differs("signature") }
            guard try verifier.isSame(as: material) else { throw differs("signer") }
        default:
            throw .unsupported("a log entry of this kind for this content")
        }
    }
}
