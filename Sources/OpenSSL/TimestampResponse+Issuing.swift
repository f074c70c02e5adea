public import FoundationEssentials

/// The authority's side, for the lab.
extension TimestampResponse {
    /// Why an authority refuses: bits of PKIFailureInfo, RFC 3161 §2.4.2.
    public enum Failure: Int, Sendable {
        case badAlgorithm = 0
        case badRequest = 2
        case badDataFormat = 5
        case timeNotAvailable = 14
        case unacceptedPolicy = 15
        case systemFailure = 25
    }

    /// A granted response in the form Sigstore's authority writes: SignedData with one signer, signed attributes and
    /// ESSCertIDv2 (RFC 5816) over SHA-256; accuracy one second.
    ///
    /// The digest is that of the key's default scheme (P-384 signs with SHA-384). `certificate` must be of `key`; it is
    /// included only if the request asked for it. `time` is cut to whole seconds. Throws `.unsupported` for Ed25519.
    public static func issue(
        _ request: TimestampRequest, key: PrivateKey, certificate: Certificate, policy: String,
        serialNumber: [UInt8], time: Date
    ) throws(CryptoError) -> [UInt8] {
        guard key.publicKey == certificate.publicKey else { throw .signatureInvalid }
        let scheme = key.algorithm.defaultScheme
        guard let digest = scheme.digest else { throw .unsupported("timestamps signed with Ed25519") }
        let digestIdentifier = DER.sequence(digest.objectIdentifier)
        let contentType = try DER.objectIdentifier(ObjectIdentifier.timestampInfo)
        let info = try encodeInfo(request, certificate, policy, serialNumber, time)
        let issuerAndSerial = DER.sequence(certificate.fields.issuer, DER.integer(certificate.serialNumber))

        let attributes = [
            try attribute(ObjectIdentifier.contentType, contentType),
            try attribute(ObjectIdentifier.signingTime, ASN1Time.encode(time)),
            try attribute(ObjectIdentifier.messageDigest, DER.octetString(Hash.digest(digest, info))),
            try attribute(ObjectIdentifier.signingCertificateV2, signingCertificate(certificate)),
        ]
        // Signed as a SET OF, stored as [0] IMPLICIT (RFC 5652 §5.4)
        let signed = DER.set(of: attributes)
        let signer = DER.sequence(
            DER.integer(1), issuerAndSerial, digestIdentifier, [DER.Tag.constructed(0)] + signed.dropFirst(),
            try scheme.algorithmIdentifier(), DER.octetString(try key.sign(signed, scheme)))
        let included = request.requestsCertificates ? DER.element(DER.Tag.constructed(0), certificate.der) : []
        let signedData = DER.sequence(
            DER.integer(3), DER.set(of: [digestIdentifier]),
            DER.sequence(contentType, DER.element(DER.Tag.constructed(0), DER.octetString(info))), included,
            DER.set(of: [signer]))
        let token = DER.sequence(
            try DER.objectIdentifier(ObjectIdentifier.signedData), DER.element(DER.Tag.constructed(0), signedData))
        return DER.sequence(DER.sequence(DER.integer(0)), token)
    }

    /// A response with status rejection, a text and a failure bit.
    public static func reject(_ text: String, failure: Failure) -> [UInt8] {
        var bits = [UInt8](repeating: 0, count: failure.rawValue / 8 + 1)
        bits[failure.rawValue / 8] = 0x80 >> (failure.rawValue % 8)
        let failureInfo = DER.bitString(bits, unused: UInt8(7 - failure.rawValue % 8))
        return DER.sequence(DER.sequence(DER.integer(2), DER.sequence(DER.utf8String(text)), failureInfo))
    }

    private static func encodeInfo(
        _ request: TimestampRequest, _ certificate: Certificate, _ policy: String, _ serialNumber: [UInt8], _ time: Date
    ) throws(CryptoError) -> [UInt8] {
        let imprint = MessageImprint(algorithm: request.digestAlgorithm, digest: request.imprint).der
        let authority = DER.element(
            DER.Tag.constructed(0), DER.element(DER.Tag.constructed(4), certificate.fields.subject))
        return DER.sequence(
            DER.integer(1), try DER.objectIdentifier(policy), imprint, DER.integer(serialNumber),
            ASN1Time.encodeGeneralized(time), DER.sequence(DER.integer(1)), request.nonce.map { DER.integer($0) } ?? [],
            authority)
    }

    private static func attribute(_ oid: String, _ value: [UInt8]) throws(CryptoError) -> [UInt8] {
        DER.sequence(try DER.objectIdentifier(oid), DER.set(of: [value]))
    }

    /// SigningCertificateV2 with one ESSCertIDv2; SHA-256 is its default and therefore not written.
    private static func signingCertificate(_ certificate: Certificate) -> [UInt8] {
        let issuer = DER.sequence(DER.element(DER.Tag.constructed(4), certificate.fields.issuer))
        let identifier = DER.sequence(
            DER.octetString(Hash.sha256(certificate.der)), DER.sequence(issuer, DER.integer(certificate.serialNumber)))
        return DER.sequence(DER.sequence(identifier))
    }
}
