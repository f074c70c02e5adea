import OpenSSL
import StrictJSON

/// Rekor's `dsse` 0.0.1: what a DSSE envelope becomes in the log (rekor/pkg/types/dsse/v0.0.1).
struct DSSEEntry: Equatable {
    /// SHA-256 of the envelope's JSON exactly as it was submitted; the log does not normalise it.
    let envelopeHash: [UInt8]
    /// SHA-256 of the decoded payload.
    let payloadHash: [UInt8]
    /// Every signature with the PEM (certificate or key) it was verified with.
    let signatures: [Signed]

    struct Signed: Equatable {
        let signature: [UInt8]
        let verifierPEM: [UInt8]
    }

    static let kind = "dsse"
    static let version = "0.0.1"

    /// The request for an envelope.
    static func request(envelope: Envelope, verifierPEM: String) -> [UInt8] {
        JSONValue.object([
            "apiVersion": .string(version), "kind": .string(kind),
            "spec": .object([
                "proposedContent": .object([
                    "envelope": .string(String(decoding: envelope.encoded(), as: UTF8.self)),
                    "verifiers": .array([.string(Base64.encode(Array(verifierPEM.utf8)))]),
                ])
            ]),
        ]).encoded()
    }

    /// What the entry for a request must say.
    init(request document: JSONField) throws(SigstoreError) {
        guard try document.required("kind").string() == Self.kind,
            try document.required("apiVersion").string() == Self.version
        else { throw .unsupported("a log request other than \(Self.kind) \(Self.version)") }
        let content = try document.required("spec").required("proposedContent")
        let text = Array(try content.required("envelope").string().utf8)
        let envelope = try Envelope(json: text)
        let verifiers = try content.required("verifiers").elements(atMost: 32)
        guard verifiers.count == envelope.signatures.count else {
            throw document.malformed("one verifier per signature")
        }
        envelopeHash = Hash.sha256(text)
        payloadHash = Hash.sha256(envelope.payload)
        var signatures: [Signed] = []
        for (signature, verifier) in zip(envelope.signatures, verifiers) {
            signatures.append(Signed(signature: signature.sig, verifierPEM: try verifier.bytes()))
        }
        self.signatures = signatures
    }

    /// Reads a canonicalized body.
    init(body: JSONField) throws(SigstoreError) {
        func digest(_ field: JSONField) throws(SigstoreError) -> [UInt8] {
            guard try field.required("algorithm").string() == "sha256" else { throw field.malformed("not SHA-256") }
            return try field.required("value").hex()
        }
        let spec = try body.required("spec")
        envelopeHash = try digest(spec.required("envelopeHash"))
        payloadHash = try digest(spec.required("payloadHash"))
        var signatures: [Signed] = []
        for field in try spec.required("signatures").elements(atMost: 32) {
            signatures.append(
                Signed(
                    signature: try field.required("signature").bytes(),
                    verifierPEM: try field.required("verifier").bytes()))
        }
        self.signatures = signatures
    }

    /// The leaf that the log stores for this entry: compact JSON, members sorted.
    var canonicalizedBody: [UInt8] {
        func digest(_ bytes: [UInt8]) -> JSONValue {
            .object(["algorithm": .string("sha256"), "value": .string(Hex.encode(bytes))])
        }
        return JSONValue.object([
            "apiVersion": .string(Self.version), "kind": .string(Self.kind),
            "spec": .object([
                "envelopeHash": digest(envelopeHash), "payloadHash": digest(payloadHash),
                "signatures": .array(
                    signatures.map {
                        .object([
                            "signature": .string(Base64.encode($0.signature)),
                            "verifier": .string(Base64.encode($0.verifierPEM)),
                        ])
                    }),
            ]),
        ]).encoded()
    }
}
