internal import COpenSSL
public import FoundationEssentials

/// A TimeStampResp, RFC 3161 §2.4.2: a status and, when granted, a token.
public struct TimestampResponse: Sendable {
    /// The response as received; what a Sigstore bundle stores.
    public let der: [UInt8]
    /// PKIStatus: 0 granted, 1 granted with modifications, 2 and more refused.
    public let status: Int
    /// The authority's explanation; empty when it gave none.
    public let statusText: String
    /// The token; nil when refused.
    public let token: TimestampToken?

    /// Whether there is a token.
    public var isGranted: Bool { token != nil }

    /// Decodes a DER response.
    ///
    /// Throws `.malformed` when it is not strict DER, or granted without a token, or refused with one; `.unsupported`
    /// for SHA-1 anywhere in it and for extensions.
    public init(der: [UInt8]) throws(CryptoError) {
        guard der.count <= 64 << 10 else { throw .malformed(what: "timestamp response", detail: "over 64 KiB") }
        var outer = DERReader(der, "timestamp response")
        var response = try outer.enter()
        try outer.finish()
        var info = try response.enter()
        status = try info.readInteger()
        statusText = try Self.readText(&info)
        _ = try info.readIfPresent(DER.Tag.bitString)
        try info.finish()
        token = response.isAtEnd ? nil : try TimestampToken(contentInfo: try response.enter())
        try response.finish()
        guard (status <= 1) == (token != nil) else {
            throw .malformed(
                what: "timestamp response", detail: "status \(status) \(token == nil ? "without" : "with") a token")
        }
        self.der = der
    }

    private static func readText(_ info: inout DERReader) throws(CryptoError) -> String {
        guard info.nextTag == DER.Tag.sequence else { return "" }
        var lines = try info.enter()
        var text: [String] = []
        while !lines.isAtEnd {
            let content = try lines.read(DER.Tag.utf8String).content
            text.append(String(decoding: content.prefix(500), as: UTF8.self))
        }
        return text.joined(separator: "; ")
    }
}

// MARK: - Verifying

extension TimestampResponse {
    /// Checks that an authority under `roots` stamped `message`, and returns when.
    ///
    /// 1. The imprint is the digest of `message`. 2. The CMS signature is the signer's, and the signer is the one that
    /// the signed ESSCertID(v2) names (RFC 5816). 3. The signer's certificate is valid at the token's own time, chains to
    /// one of `roots` and is for time stamping alone, critically (RFC 3161 §2.3).
    ///
    /// `chain` are the certificates of the trust root, in any order. When a leaf is among them, the signer must be one
    /// of those leaves: a token cannot bring along another certificate of the same CA. A nonce is the requester's to
    /// compare (``TimestampToken/nonce``).
    ///
    /// Throws `.timestamp` naming the failed check, or `.chain` / `.outsideValidity` for the signer's certificate.
    public func verify(
        imprintOf message: [UInt8], chain: [Certificate], roots: [Certificate]
    ) throws(CryptoError) -> Date {
        try verify(imprintOf: message, by: TimestampSigners(chain: chain, roots: roots))
    }

    /// As ``verify(imprintOf:chain:roots:)``, with an authority whose signers are remembered: all but the first
    /// timestamp under a signer's certificate cost one signature, and one that verified before costs none.
    public func verify(imprintOf message: [UInt8], by signers: TimestampSigners) throws(CryptoError) -> Date {
        guard let token else { throw .timestamp("the authority refused with status \(status): \(statusText)") }
        if let known = signers.time(of: self, over: message) { return known }
        guard token.imprint == Hash.digest(token.digestAlgorithm, message) else {
            throw .timestamp("the imprint is of another message")
        }
        let offered = signers.chain + token.certificates
        let signer = try verifySignature(offered: offered, roots: signers.roots)
        guard signers.pinned.isEmpty || signers.pinned.contains(signer) else {
            throw .timestamp("signed by (\(signer.subjectOrSerial)), which is not the authority's trusted certificate")
        }
        try signers.verifyChain(of: signer, others: offered, at: token.time)
        signers.remember(token.time, of: self, over: message)
        return token.time
    }

    /// Signature, signed attributes, ESSCertID and purpose by OpenSSL; returns the signer's certificate.
    ///
    /// OpenSSL insists on a path of its own here, though `CertificateChain` judges the path, and time with it. So it is
    /// given the signer as its anchor (`X509_V_FLAG_PARTIAL_CHAIN`), which spares it the signatures above. Only a token
    /// whose ESSCertIDs name more than the signer needs the whole path (RFC 2634 §5.4).
    private func verifySignature(offered: [Certificate], roots: [Certificate]) throws(CryptoError) -> Certificate {
        let leaves = offered.filter { !$0.isCertificateAuthority }
        if let signer = try? verifySignature(offered: leaves, anchors: leaves, X509_V_FLAG_PARTIAL_CHAIN) {
            return signer
        }
        return try verifySignature(offered: offered, anchors: roots, 0)
    }

    private func verifySignature(
        offered: [Certificate], anchors: [Certificate], _ flag: Int32
    ) throws(CryptoError) -> Certificate {
        var decoded: OpaquePointer?
        der.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            decoded = d2i_TS_RESP(nil, &cursor, buffer.count)
        }
        guard let decoded else { throw .malformedBySSL("timestamp response") }
        let response = try Handle(decoded, "decoding a timestamp response", release: TS_RESP_free)
        let store = try Handle(X509_STORE_new(), "allocating a certificate store", release: X509_STORE_free)
        let certificates = try Handle(
            cossl_sk_X509_new(), "allocating a certificate stack", release: cossl_sk_X509_free)
        for anchor in anchors where X509_STORE_add_cert(store.raw, anchor.raw) != 1 {
            throw .failure(of: "filling a certificate store")
        }
        for certificate in offered where cossl_sk_X509_push(certificates.raw, certificate.raw) == 0 {
            throw .failure(of: "filling a certificate stack")
        }
        guard X509_STORE_set_flags(store.raw, UInt(X509_V_FLAG_NO_CHECK_TIME | flag)) == 1 else {
            throw .failure(of: "preparing a timestamp check")
        }
        var signer: OpaquePointer?
        guard
            TS_RESP_verify_signature(TS_RESP_get_token(response.raw), certificates.raw, store.raw, &signer) == 1,
            let signer
        else { throw .timestamp(CryptoError.takeReasons()) }
        defer { X509_free(signer) }
        guard let certificate = offered.first(where: { X509_cmp($0.raw, signer) == 0 }) else {
            throw .timestamp("OpenSSL found a signer that was not offered")
        }
        return certificate
    }
}
