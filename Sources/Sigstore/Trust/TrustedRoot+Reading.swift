import FoundationEssentials
import OpenSSL

extension TrustedRoot {
    private static let mediaTypes = [
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
        "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    ]

    /// Reads a trusted root.
    ///
    /// Unknown fields are passed over (the document is ours to trust, and newer ones add operators), a missing start of
    /// validity is not: no bound would be read as "always".
    /// - Throws: ``SigstoreError/malformed(_:_:)`` with the path of the field.
    public init(json: [UInt8]) throws(SigstoreError) {
        try self.init(try JSONField(document: "trusted root", parsing: json))
    }

    init(_ document: JSONField) throws(SigstoreError) {
        let mediaType = try document.required("mediaType")
        guard Self.mediaTypes.contains(try mediaType.string()) else {
            throw mediaType.malformed("unknown media type \"\(printable(try mediaType.string(), limit: 100))\"")
        }
        tlogs = try Self.list(document, "tlogs", TrustedLog.init)
        ctLogs = try Self.list(document, "ctlogs", TrustedLog.init)
        certificateAuthorities = try Self.list(document, "certificateAuthorities", TrustedAuthority.init)
        timestampAuthorities = try Self.list(document, "timestampAuthorities", TrustedAuthority.init)
        guard !tlogs.isEmpty || !certificateAuthorities.isEmpty || !timestampAuthorities.isEmpty else {
            throw document.malformed("it trusts nothing")
        }
    }

    private static func list<Element>(
        _ document: JSONField, _ name: String, _ read: (JSONField) throws(SigstoreError) -> Element
    ) throws(SigstoreError) -> [Element] {
        var list: [Element] = []
        for field in try document.optional(name)?.elements(atMost: 256) ?? [] { list.append(try read(field)) }
        return list
    }
}

extension ValidityWindow {
    init(_ owner: JSONField) throws(SigstoreError) {
        let field = try owner.required("validFor")
        let start = try field.required("start").date()
        let end = try field.optional("end")?.date()
        if let end, end < start { throw field.malformed("it ends before it starts") }
        self.init(start: start, end: end)
    }
}

extension TrustedAuthority {
    fileprivate init(_ field: JSONField) throws(SigstoreError) {
        uri = try field.optional("uri")?.string() ?? ""
        let subject = try field.optional("subject")
        organization = try subject?.optional("organization")?.string() ?? ""
        commonName = try subject?.optional("commonName")?.string() ?? ""
        validity = try ValidityWindow(field)
        let chain = try field.required("certChain").required("certificates")
        var certificates: [Certificate] = []
        for entry in try chain.elements(atMost: 10) {
            let der = try entry.required("rawBytes").bytes()
            do throws(CryptoError) {
                certificates.append(try Certificate(der: der))
            } catch {
                throw entry.malformed("\(error)")
            }
        }
        guard let root = certificates.popLast() else { throw chain.malformed("no certificate") }
        self.root = root
        intermediates = certificates
    }
}

extension TrustedLog {
    fileprivate init(_ field: JSONField) throws(SigstoreError) {
        baseURL = try field.optional("baseUrl")?.string() ?? ""
        let algorithm = try field.optional("hashAlgorithm")
        guard try algorithm?.string() ?? "SHA2_256" == "SHA2_256" else {
            throw field.malformed("only SHA2_256 trees are supported")
        }
        let publicKey = try field.required("publicKey")
        keyBytes = try publicKey.required("rawBytes").bytes()
        keyDetails = try publicKey.optional("keyDetails")?.string() ?? ""
        // PKCS1_RSA_* hold a bare RSAPublicKey: old staging logs, verified by nobody today
        key = try? PublicKey(spki: keyBytes)
        validity = try ValidityWindow(publicKey)
        // version 0.2 names the checkpoint's key id apart from the (v1) log id; either may stand alone
        let named = try field.optional("logId")?.required("keyId").bytes()
        checkpointKeyID = try field.optional("checkpointKeyId")?.required("keyId").bytes()
        guard let logID = named ?? checkpointKeyID else { throw field.malformed("logId is missing") }
        self.logID = logID
        guard min(logID.count, checkpointKeyID?.count ?? .max) >= 4 else {
            throw field.malformed("the log id is shorter than a key hint")
        }
    }
}
