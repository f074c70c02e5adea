public import FoundationEssentials

/// What a timestamp token claims: TSTInfo of RFC 3161 §2.4.2, and what its CMS wrapping carries. Only claims, until
/// `TimestampResponse.verify` has passed.
public struct TimestampToken: Sendable {
    /// Time of stamping, with its fraction of a second if it has one.
    public let time: Date
    /// How the stamped message was hashed.
    public let digestAlgorithm: DigestAlgorithm
    /// Digest of the stamped message.
    public let imprint: [UInt8]
    /// Serial number of the token, unsigned big-endian. Authorities are seen that write negative ones (RFC 3161 §2.4.2
    /// does not forbid it): those are given as their two's complement. Nothing is compared with it.
    public let serialNumber: [UInt8]
    /// Policy it was stamped under, as dotted OID.
    public let policy: String
    /// Nonce of the request, unsigned big-endian; nil if there was none.
    public let nonce: [UInt8]?
    /// Certificates inside the token, in its order; empty unless the request asked for them.
    public let certificates: [Certificate]

    /// Decodes a ContentInfo that holds SignedData (RFC 5652 §5.1) over a TSTInfo, with exactly one signer.
    init(contentInfo: DERReader) throws(CryptoError) {
        var contentInfo = contentInfo
        guard try contentInfo.readObjectIdentifier() == ObjectIdentifier.signedData else {
            throw contentInfo.malformed("token is not signed data")
        }
        var explicit = try contentInfo.enter(DER.Tag.constructed(0))
        try contentInfo.finish()
        var signedData = try explicit.enter()
        try explicit.finish()

        guard try signedData.readInteger() == 3 else { throw signedData.malformed("signed data version is not 3") }
        _ = try signedData.read(DER.Tag.set)
        var content = try signedData.enter()
        guard try content.readObjectIdentifier() == ObjectIdentifier.timestampInfo else {
            throw content.malformed("signed content is not a TSTInfo")
        }
        var wrapper = try content.enter(DER.Tag.constructed(0))
        try content.finish()
        let info = try wrapper.read(DER.Tag.octetString).content
        try wrapper.finish()
        certificates = try Self.readCertificates(&signedData)
        _ = try signedData.readIfPresent(DER.Tag.constructed(1))
        var signers = try signedData.enter(DER.Tag.set)
        try signedData.finish()
        var signer = try signers.enter()
        guard signers.isAtEnd else { throw signers.malformed("more than one signer") }
        try Self.checkSigner(&signer)

        var fields = try TimestampToken.readInfo(info)
        guard try fields.readInteger() == 1 else { throw fields.malformed("TSTInfo version is not 1") }
        policy = try fields.readObjectIdentifier()
        let imprint = try MessageImprint(&fields)
        digestAlgorithm = imprint.algorithm
        self.imprint = imprint.digest
        serialNumber = try fields.readSerialNumber()
        time = try ASN1Time.date(try fields.read(DER.Tag.generalizedTime), allowsFraction: true)
        _ = try fields.readIfPresent(DER.Tag.sequence)  // accuracy
        if fields.nextTag == DER.Tag.boolean { _ = try fields.readBoolean() }  // ordering
        nonce = fields.nextTag == DER.Tag.integer ? try fields.readMagnitude() : nil
        _ = try fields.readIfPresent(DER.Tag.constructed(0))  // tsa, a hint only (RFC 3161 §2.4.2)
        if fields.nextTag == DER.Tag.constructed(1) { throw .unsupported("timestamp token with extensions") }
        try fields.finish()
    }

    private static func readInfo(_ info: ArraySlice<UInt8>) throws(CryptoError) -> DERReader {
        var outer = DERReader(info, "timestamp token")
        let fields = try outer.enter()
        try outer.finish()
        return fields
    }

    private static func readCertificates(_ signedData: inout DERReader) throws(CryptoError) -> [Certificate] {
        guard let element = try signedData.readIfPresent(DER.Tag.constructed(0)) else { return [] }
        var reader = DERReader(element.content, "timestamp token certificates")
        var certificates: [Certificate] = []
        while !reader.isAtEnd {
            guard certificates.count < 8 else { throw reader.malformed("more than 8 certificates") }
            certificates.append(try Certificate(der: Array(reader.read(DER.Tag.sequence).encoded)))
        }
        return certificates
    }

    /// The checks on a SignerInfo that OpenSSL leaves out: no SHA-1, and the signed attributes say that a TSTInfo was
    /// signed (RFC 5652 §11.1), so that a signature over other content cannot pass for a timestamp.
    private static func checkSigner(_ signer: inout DERReader) throws(CryptoError) {
        _ = try signer.readInteger()
        _ = try signer.read()
        _ = try DigestAlgorithm(&signer)
        var attributes = try signer.enter(DER.Tag.constructed(0))
        _ = try signer.read(DER.Tag.sequence)
        _ = try signer.read(DER.Tag.octetString)
        _ = try signer.readIfPresent(DER.Tag.constructed(1))
        try signer.finish()

        var contentTypes: [String] = []
        while !attributes.isAtEnd {
            var attribute = try attributes.enter()
            let oid = try attribute.readObjectIdentifier()
            var values = try attribute.enter(DER.Tag.set)
            try attribute.finish()
            if oid == ObjectIdentifier.contentType {
                contentTypes.append(try values.readObjectIdentifier())
                try values.finish()
            }
        }
        guard contentTypes == [ObjectIdentifier.timestampInfo] else {
            throw attributes.malformed("signed content type is \(contentTypes), not TSTInfo")
        }
    }
}
