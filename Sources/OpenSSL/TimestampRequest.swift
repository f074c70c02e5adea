/// A TimeStampReq, RFC 3161 §2.4.1.
public struct TimestampRequest: Sendable, Equatable {
    /// The DER of the request.
    public let der: [UInt8]
    /// How the message was hashed; never SHA-1.
    public let digestAlgorithm: DigestAlgorithm
    /// Digest of the message.
    public let imprint: [UInt8]
    /// Policy the authority must stamp under, as dotted OID; nil leaves it to the authority.
    public let policy: String?
    /// Number to be repeated in the answer, unsigned big-endian without leading zeros; nil for none.
    public let nonce: [UInt8]?
    /// Whether the answer is to carry the authority's certificate.
    public let requestsCertificates: Bool

    /// A request for the SHA-256 of `message`. cosign sends neither nonce nor certificate request.
    public init(imprintOf message: [UInt8], nonce: [UInt8]? = nil, requestsCertificates: Bool = false) {
        digestAlgorithm = .sha256
        imprint = Hash.sha256(message)
        policy = nil
        self.nonce = nonce.map { Array($0.drop { $0 == 0 }) }
        self.requestsCertificates = requestsCertificates
        der = DER.sequence(
            DER.integer(1), MessageImprint(algorithm: digestAlgorithm, digest: imprint).der,
            self.nonce.map { DER.integer($0) } ?? [], requestsCertificates ? DER.boolean(true) : [])
    }

    /// Decodes a DER request.
    ///
    /// Throws `.unsupported` for digests other than SHA-256, -384 and -512 and for extensions, `.malformed` otherwise.
    public init(der: [UInt8]) throws(CryptoError) {
        var outer = DERReader(der, "timestamp request")
        var request = try outer.enter()
        try outer.finish()
        guard try request.readInteger() == 1 else { throw request.malformed("version is not 1") }
        let imprint = try MessageImprint(&request)
        digestAlgorithm = imprint.algorithm
        self.imprint = imprint.digest
        policy = request.nextTag == DER.Tag.objectIdentifier ? try request.readObjectIdentifier() : nil
        nonce = request.nextTag == DER.Tag.integer ? try request.readMagnitude() : nil
        requestsCertificates = request.nextTag == DER.Tag.boolean ? try request.readBoolean() : false
        if request.nextTag == DER.Tag.constructed(0) { throw .unsupported("timestamp request with extensions") }
        try request.finish()
        self.der = der
    }
}

/// MessageImprint of RFC 3161 §2.4.1: a digest and how it was made.
struct MessageImprint {
    let algorithm: DigestAlgorithm
    let digest: [UInt8]

    init(algorithm: DigestAlgorithm, digest: [UInt8]) {
        self.algorithm = algorithm
        self.digest = digest
    }

    init(_ reader: inout DERReader) throws(CryptoError) {
        var fields = try reader.enter()
        algorithm = try DigestAlgorithm(&fields)
        digest = Array(try fields.read(DER.Tag.octetString).content)
        try fields.finish()
        guard digest.count == algorithm.byteCount else {
            throw fields.malformed("\(algorithm) imprint of \(digest.count) bytes")
        }
    }

    var der: [UInt8] { DER.sequence(algorithm.algorithmIdentifier, DER.octetString(digest)) }
}

extension DigestAlgorithm {
    /// With the NULL parameter, as RFC 3161 authorities and Go write it.
    var algorithmIdentifier: [UInt8] { DER.sequence(objectIdentifier, DER.null) }

    /// Reads an AlgorithmIdentifier; the NULL parameter may be missing (RFC 5754 §2). SHA-1 and MD5 are refused.
    init(_ reader: inout DERReader) throws(CryptoError) {
        var fields = try reader.enter()
        let oid = try fields.readObjectIdentifier()
        _ = try fields.readIfPresent(DER.Tag.null)
        try fields.finish()
        guard let known = Self.allCases.first(where: { $0.dottedIdentifier == oid }), known != .sha1 else {
            throw .unsupported(oid == Self.sha1.dottedIdentifier ? "digest algorithm SHA-1" : "digest algorithm \(oid)")
        }
        self = known
    }
}
