import OpenSSL
import StrictJSON

/// A log entry's body, in the kinds that signatures are logged as.
enum TlogBody {
    /// Rekor v1, of an envelope.
    case dsse(DSSEEntry)
    /// Rekor v1, of an envelope; what cosign 2 wrote for attestations.
    case intoto(payloadHash: [UInt8], signature: [UInt8], verifier: [UInt8])
    /// Rekor v1 or v2, of a digest: an artifact's, or in v2 also that of an envelope's pre-authentication encoding.
    case hashedRekord(isV2: Bool, algorithm: String, digest: [UInt8], signature: [UInt8], verifier: [UInt8])

    /// Reads the body, which must be of the kind and version that the entry says.
    init(_ entry: TlogEntry) throws(SigstoreError) {
        let body = try JSONField(document: "tlog entry body", parsing: entry.canonicalizedBody)
        guard try body.required("kind").string() == entry.kind,
            try body.required("apiVersion").string() == entry.version
        else { throw body.malformed("it is not the \(entry.kind) \(entry.version) that the entry says") }
        switch (entry.kind, entry.version) {
        case ("dsse", "0.0.1"): self = .dsse(try DSSEEntry(body: body))
        case ("intoto", "0.0.2"): self = try Self.intoto(body)
        case ("hashedrekord", "0.0.1"): self = try Self.hashedRekord1(body)
        case ("hashedrekord", "0.0.2"): self = try Self.hashedRekord2(body)
        default: throw .unsupported("a log entry of kind \(entry.kind) \(entry.version)")
        }
    }

    private static func intoto(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let content = try body.required("spec").required("content")
        let hash = try content.required("payloadHash")
        guard try hash.required("algorithm").string() == "sha256" else { throw hash.malformed("not SHA-256") }
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
            payloadHash: try hash.required("value").hex(), signature: decoded,
            verifier: try pem(signature.required("publicKey")))
    }

    private static func hashedRekord1(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let spec = try body.required("spec")
        let hash = try spec.required("data").required("hash")
        let signature = try spec.required("signature")
        return .hashedRekord(
            isV2: false, algorithm: try hash.required("algorithm").string(), digest: try hash.required("value").hex(),
            signature: try signature.required("content").bytes(),
            verifier: try pem(signature.required("publicKey").required("content")))
    }

    private static func hashedRekord2(_ body: JSONField) throws(SigstoreError) -> TlogBody {
        let spec = try body.required("spec").required("hashedRekordV002")
        let data = try spec.required("data")
        let signature = try spec.required("signature")
        let verifier = try signature.required("verifier")
        let names = ["SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"]
        let certificate = try verifier.optional("x509Certificate")
        let raw = if let certificate { certificate } else { try verifier.required("publicKey") }
        return .hashedRekord(
            isV2: true, algorithm: names[try data.required("algorithm").string()] ?? "unknown",
            digest: try data.required("digest").bytes(), signature: try signature.required("content").bytes(),
            verifier: try raw.required("rawBytes").bytes())
    }

    /// Base64 of the PEM of a certificate or key, as DER.
    private static func pem(_ field: JSONField) throws(SigstoreError) -> [UInt8] {
        try der(fromPEM: field.bytes(), field)
    }

    private static func der(fromPEM bytes: [UInt8], _ field: JSONField) throws(SigstoreError) -> [UInt8] {
        let text = String(decoding: bytes, as: UTF8.self)
        do throws(CryptoError) {
            if text.contains("BEGIN CERTIFICATE") { return try Certificate(pem: text).der }
            return try PublicKey(pem: text).spki
        } catch {
            throw field.malformed("\(error)")
        }
    }

    /// Compares the body with the bundle: the same content, signature, and certificate or key.
    func check(
        against content: UnverifiedBundle.Content, _ artifact: ArtifactDigest, _ material: VerificationMaterial
    ) throws(SigstoreError) {
        func differs(_ what: String) -> SigstoreError { .malformed("tlog entry body", "it is of another \(what)") }
        switch (self, content) {
        case (.dsse(let entry), .envelope(let envelope)):
            guard entry.payloadHash == Hash.sha256(envelope.payload) else { throw differs("payload") }
            guard entry.signatures.count == 1, let signed = entry.signatures.first,
                signed.signature == content.signature
            else { throw differs("signature") }
            // our own entries hold the very PEM we would write: no need to parse it again
            if case .certificate(let certificate) = material, signed.verifierPEM == Array(certificate.pem.utf8) {
                return
            }
            let field = JSONField(.null, path: "tlog entry body.verifier")
            guard try Self.der(fromPEM: signed.verifierPEM, field) == material.der else { throw differs("signer") }
        case (.intoto(let payloadHash, let signature, let verifier), .envelope(let envelope)):
            guard payloadHash == Hash.sha256(envelope.payload) else { throw differs("payload") }
            guard signature == content.signature else { throw differs("signature") }
            guard verifier == material.der else { throw differs("signer") }
        case (.hashedRekord(let isV2, let algorithm, let digest, let signature, let verifier), _):
            guard digest == (try Self.expectedDigest(of: content, artifact, algorithm, isV2: isV2)) else {
                throw differs("artifact")
            }
            guard signature == content.signature else { throw differs("signature") }
            guard verifier == material.der else { throw differs("signer") }
        default:
            throw .unsupported("a log entry of this kind for this content")
        }
    }

    private static func expectedDigest(
        of content: UnverifiedBundle.Content, _ artifact: ArtifactDigest, _ algorithm: String, isV2: Bool
    ) throws(SigstoreError) -> [UInt8] {
        switch content {
        case .messageSignature:
            guard algorithm == artifact.algorithm else { throw .unsupported("a \(algorithm) entry for \(artifact)") }
            return artifact.bytes
        case .envelope(let envelope):
            // in Rekor v1 an envelope is logged as dsse or intoto; a hashedrekord of it would be of another signature
            guard isV2 else { throw .unsupported("a hashedrekord 0.0.1 entry for an envelope") }
            switch algorithm {
            case "sha256": return Hash.sha256(envelope.preAuthenticationEncoding)
            case "sha384": return Hash.sha384(envelope.preAuthenticationEncoding)
            case "sha512": return Hash.sha512(envelope.preAuthenticationEncoding)
            default: throw .unsupported("a \(algorithm) entry")
            }
        }
    }
}

extension VerificationMaterial {
    fileprivate var der: [UInt8] {
        switch self {
        case .certificate(let certificate): certificate.der
        case .publicKey(let key): key.spki
        }
    }
}
