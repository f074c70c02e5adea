/// A PKCS #10 certification request, RFC 2986. Decoding does not check the proof of possession; ``verify()`` does.
public struct CertificateRequest: Sendable {
    /// The request as received or made.
    public let der: [UInt8]
    /// The key a certificate is asked for.
    public let publicKey: PublicKey
    private let info: [UInt8]
    private let scheme: SignatureScheme
    private let signature: [UInt8]

    /// Decodes a DER request; throws `.malformed`, or `.unsupported` for keys and signatures not taken here.
    public init(der: [UInt8]) throws(CryptoError) {
        var outer = DERReader(der, "certificate request")
        var request = try outer.enter()
        try outer.finish()
        let infoElement = try request.read(DER.Tag.sequence)
        scheme = try SignatureScheme(algorithmIdentifier: request.read(DER.Tag.sequence).encoded)
        signature = try request.readBitString()
        try request.finish()

        var body = DERReader(infoElement.content, "certificate request")
        guard try body.readInteger() == 0 else { throw body.malformed("version is not 1") }
        _ = try body.read(DER.Tag.sequence)
        publicKey = try PublicKey(spki: Array(body.read(DER.Tag.sequence).encoded))
        _ = try body.readIfPresent(DER.Tag.constructed(0))
        try body.finish()
        info = Array(infoElement.encoded)
        self.der = der
    }

    /// Decodes the only `CERTIFICATE REQUEST` block of a PEM text; throws as ``init(der:)`` does.
    public init(pem: String) throws(CryptoError) {
        try self.init(der: PEM.single("CERTIFICATE REQUEST", in: pem))
    }

    /// The request as a PEM block.
    public var pem: String { PEM(label: "CERTIFICATE REQUEST", der: der).text }

    /// Checks that the request was signed with the key it names; throws `.signatureInvalid` if not.
    public func verify() throws(CryptoError) {
        try publicKey.verify(signature, of: info, scheme)
    }

    /// A request for the public half of `key`, without attributes.
    public static func create(key: PrivateKey, subject: DistinguishedName) throws(CryptoError) -> CertificateRequest {
        let info = DER.sequence(
            DER.integer(0), try subject.der(), key.publicKey.spki, DER.element(DER.Tag.constructed(0), []))
        let scheme = key.algorithm.defaultScheme
        let signature = try key.sign(info, scheme)
        return try CertificateRequest(
            der: DER.sequence(info, scheme.algorithmIdentifier(), DER.bitString(signature)))
    }
}
