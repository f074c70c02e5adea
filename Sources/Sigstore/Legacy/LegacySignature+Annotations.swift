import OpenSSL
public import StrictJSON

extension LegacySignature {
    /// The annotations that cosign reads (`pkg/oci/static`, `pkg/cosign/bundle`).
    enum Annotation {
        static let signature = "dev.cosignproject.cosign/signature"
        static let certificate = "dev.sigstore.cosign/certificate"
        static let chain = "dev.sigstore.cosign/chain"
        static let bundle = "dev.sigstore.cosign/bundle"
        static let timestamp = "dev.sigstore.cosign/rfc3161timestamp"
        static let predicateType = "predicateType"
    }

    /// Longest annotation read, in bytes: a log entry's body holds the certificate, not the statement.
    static let maxAnnotationBytes = 1 << 20

    /// Reads a layer and its annotations.
    ///
    /// A layer is read as an envelope if its media type says so, else as a simple signing document: cosign looks at no
    /// other media type either. An empty annotation is an absent one (cosign 3 writes an empty chain).
    /// - Throws: ``SigstoreError/malformed(_:_:)`` naming the annotation.
    public init(
        layerMediaType: String, payload: [UInt8], annotations: [String: String], limits: JSONLimits = .init()
    ) throws(SigstoreError) {
        func text(_ name: String) throws(SigstoreError) -> String? {
            guard let text = annotations[name], !text.isEmpty else { return nil }
            guard text.utf8.count <= Self.maxAnnotationBytes else {
                throw .malformed("annotation \(name)", "longer than \(Self.maxAnnotationBytes) bytes")
            }
            return text
        }
        if layerMediaType == Self.envelopeLayerMediaType {
            let envelope = try Envelope(json: payload, limits: limits)
            guard envelope.signatures.count == 1 else {
                throw .malformed("envelope", "\(envelope.signatures.count) signatures instead of one")
            }
            content = .envelope(envelope)
        } else {
            guard let encoded = try text(Annotation.signature) else {
                throw .malformed("annotation \(Annotation.signature)", "it is missing")
            }
            // files that other tools wrote are attached as they are, line ends and all, and Go's decoder skips these
            let unbroken = String(decoding: encoded.utf8.filter { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
            guard let signature = Base64.decode(unbroken), !signature.isEmpty else {
                throw .malformed("annotation \(Annotation.signature)", "not standard base64")
            }
            content = .payload(payload, signature: signature)
        }
        certificate = try Self.certificates(text(Annotation.certificate), Annotation.certificate, atMost: 1).first
        chain = try Self.certificates(text(Annotation.chain), Annotation.chain, atMost: 10)
        entry = try text(Annotation.bundle).map { (text) throws(SigstoreError) in try Self.entry(text) }
        timestamp = try text(Annotation.timestamp).map { (text) throws(SigstoreError) in try Self.timestamp(text) }
        layer = payload
    }

    private static func certificates(
        _ pem: String?, _ name: String, atMost limit: Int
    ) throws(SigstoreError) -> [Certificate] {
        guard let pem else { return [] }
        do throws(CryptoError) {
            let certificates = try Certificate.list(pem: pem)
            guard certificates.count <= limit else {
                throw .malformed(what: "PEM", detail: "\(certificates.count) certificates, at most \(limit) are read")
            }
            return certificates
        } catch {
            throw .malformed("annotation \(name)", "\(error)")
        }
    }

    /// `{"SignedEntryTimestamp":…,"Payload":{"body":…,"integratedTime":…,"logIndex":…,"logID":…}}` of Rekor v1.
    private static func entry(_ text: String) throws(SigstoreError) -> TlogEntry {
        let document = try JSONField(document: "annotation \(Annotation.bundle)", parsing: Array(text.utf8))
        try document.onlyMembers("SignedEntryTimestamp", "Payload")
        let payload = try document.required("Payload")
        try payload.onlyMembers("body", "integratedTime", "logIndex", "logID")
        let body = try payload.required("body").bytes()
        let type = try JSONField(document: "tlog entry body", parsing: body)
        return TlogEntry(
            logIndex: try payload.required("logIndex").count(), logID: try payload.required("logID").hex(),
            kind: try type.required("kind").string(), version: try type.required("apiVersion").string(),
            integratedTime: try payload.required("integratedTime").count(),
            inclusionPromise: try document.required("SignedEntryTimestamp").bytes(), inclusionProof: nil,
            canonicalizedBody: body)
    }

    private static func timestamp(_ text: String) throws(SigstoreError) -> [UInt8] {
        let document = try JSONField(document: "annotation \(Annotation.timestamp)", parsing: Array(text.utf8))
        try document.onlyMembers("SignedRFC3161Timestamp")
        return try document.required("SignedRFC3161Timestamp").bytes()
    }

    /// What cosign would write beside ``layer``: the same signature, the same annotations.
    ///
    /// `chain` is written as it is held: an empty one as an empty text beside a certificate, as cosign 3 does.
    public var annotations: [String: String] {
        var annotations: [String: String] = [:]
        switch content {
        case .payload(_, let signature): annotations[Annotation.signature] = Base64.encode(signature)
        case .envelope(let envelope):
            annotations[Annotation.signature] = ""
            annotations[Annotation.predicateType] = (try? Statement(json: envelope.payload))?.predicateType
        }
        if let certificate {
            annotations[Annotation.certificate] = certificate.pem
            annotations[Annotation.chain] = chain.map(\.pem).joined()
        }
        if let entry, let promise = entry.inclusionPromise {
            annotations[Annotation.bundle] =
                JSONValue.object([
                    "SignedEntryTimestamp": .string(Base64.encode(promise)),
                    "Payload": .object([
                        "body": .string(Base64.encode(entry.canonicalizedBody)),
                        "integratedTime": .integer(entry.integratedTime), "logIndex": .integer(entry.logIndex),
                        "logID": .string(Hex.encode(entry.logID)),
                    ]),
                ]).compactText
        }
        if let timestamp {
            annotations[Annotation.timestamp] =
                JSONValue.object(["SignedRFC3161Timestamp": .string(Base64.encode(timestamp))]).compactText
        }
        return annotations
    }
}

extension JSONValue {
    fileprivate var compactText: String { String(decoding: encoded(), as: UTF8.self) }
}
