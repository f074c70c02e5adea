import OpenSSL
public import StrictJSON

extension UnverifiedBundle {
    /// Reads a bundle of version 0.1, 0.2 or 0.3 (sigstore_bundle.proto).
    ///
    /// Unknown media types and unknown fields are refused, as cosign refuses them.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` with the path of the field.
    public init(json: [UInt8], limits: JSONLimits = .init()) throws(SigstoreError) {
        let document = try JSONField(
            document: "bundle", parsing: json, limits: limits.holding(atMost: Self.maxValues))
        try document.onlyMembers("mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope")
        let version = try Self.version(document.required("mediaType"))
        let material = try document.required("verificationMaterial")
        try material.onlyMembers(
            "certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData")
        self.init(
            version: version, material: try Self.material(material, version), content: try Self.content(document),
            tlogEntries: try Self.entries(material, version), timestamps: try Self.timestamps(material))
    }

    private static func version(_ mediaType: JSONField) throws(SigstoreError) -> Version {
        switch try mediaType.string() {
        case "application/vnd.dev.sigstore.bundle+json;version=0.1": .v01
        case "application/vnd.dev.sigstore.bundle+json;version=0.2": .v02
        case "application/vnd.dev.sigstore.bundle+json;version=0.3", Self.mediaType: .v03
        case let other: throw mediaType.malformed("unknown media type \"\(printable(other, limit: 100))\"")
        }
    }

    private static func material(_ field: JSONField, _ version: Version) throws(SigstoreError) -> Material {
        let certificate = try field.optional("certificate")
        let chain = try field.optional("x509CertificateChain")
        let key = try field.optional("publicKey")
        switch (certificate, chain, key) {
        case (.some(let certificate), nil, nil):
            try certificate.onlyMembers("rawBytes")
            return .certificate(try certificate.required("rawBytes").bytes())
        case (nil, .some(let chain), nil):
            guard version < .v03 else {
                throw chain.malformed("a version 0.3 bundle holds one certificate, not a chain")
            }
            return .certificate(try leaf(of: chain))
        case (nil, nil, .some(let key)):
            try key.onlyMembers("hint")
            return .publicKey(hint: try key.optional("hint")?.string() ?? "")
        default:
            throw field.malformed("exactly one of certificate, x509CertificateChain and publicKey is needed")
        }
    }

    /// The first of a chain, which must not bring its own root (client specification, "Verification").
    private static func leaf(of chain: JSONField) throws(SigstoreError) -> [UInt8] {
        try chain.onlyMembers("certificates")
        let certificates = try chain.required("certificates").elements(atMost: 10)
        var leaf: [UInt8]?
        for field in certificates {
            try field.onlyMembers("rawBytes")
            let der = try field.required("rawBytes").bytes()
            if leaf == nil {
                leaf = der
            } else if let certificate = try? Certificate(der: der), certificate.isSelfIssued {
                throw field.malformed("a self-signed certificate: roots come from the trusted root only")
            }
        }
        guard let leaf else { throw chain.malformed("no certificate") }
        return leaf
    }

    private static func content(_ document: JSONField) throws(SigstoreError) -> Content {
        switch (try document.optional("dsseEnvelope"), try document.optional("messageSignature")) {
        case (.some(let field), nil):
            let envelope = try Envelope(field)
            // one signature: with several, which one the log and the timestamp vouch for would be open
            guard envelope.signatures.count == 1 else {
                throw field.malformed("\(envelope.signatures.count) signatures, a bundle has one")
            }
            return .envelope(envelope)
        case (nil, .some(let field)):
            try field.onlyMembers("messageDigest", "signature")
            let digest = try field.optional("messageDigest")
            try digest?.onlyMembers("algorithm", "digest")
            return .messageSignature(
                digestAlgorithm: try digest?.required("algorithm").string(),
                digest: try digest?.required("digest").bytes(), signature: try field.required("signature").bytes())
        default:
            throw document.malformed("exactly one of dsseEnvelope and messageSignature is needed")
        }
    }

    private static func entries(_ material: JSONField, _ version: Version) throws(SigstoreError) -> [TlogEntry] {
        var entries: [TlogEntry] = []
        for field in try material.optional("tlogEntries")?.elements(atMost: maxEntries) ?? [] {
            let entry = try TlogEntry(field)
            if version == .v01 {
                guard entry.inclusionPromise != nil else {
                    throw field.malformed("version 0.1 needs an inclusion promise")
                }
            } else {
                guard let proof = entry.inclusionProof, !proof.checkpoint.isEmpty else {
                    throw field.malformed("version \(version.rawValue) needs an inclusion proof with a checkpoint")
                }
            }
            entries.append(entry)
        }
        return entries
    }

    private static func timestamps(_ material: JSONField) throws(SigstoreError) -> [[UInt8]] {
        guard let field = try material.optional("timestampVerificationData") else { return [] }
        try field.onlyMembers("rfc3161Timestamps")
        var timestamps: [[UInt8]] = []
        for timestamp in try field.optional("rfc3161Timestamps")?.elements(atMost: maxEntries) ?? [] {
            try timestamp.onlyMembers("signedTimestamp")
            timestamps.append(try timestamp.required("signedTimestamp").bytes())
        }
        return timestamps
    }
}
