/// Purposes of a certified key, RFC 5280 §4.2.1.3; bit 0 of the BIT STRING is the lowest bit here.
public struct KeyUsage: OptionSet, Sendable {
    /// The bits, the lowest being `digitalSignature`.
    public let rawValue: UInt16

    /// A set from bits numbered as in the RFC.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// digitalSignature (0).
    public static let digitalSignature = KeyUsage(rawValue: 1 << 0)
    /// nonRepudiation, also called contentCommitment (1).
    public static let contentCommitment = KeyUsage(rawValue: 1 << 1)
    /// keyCertSign (5).
    public static let certificateSigning = KeyUsage(rawValue: 1 << 5)
    /// cRLSign (6).
    public static let crlSigning = KeyUsage(rawValue: 1 << 6)

    init(der: [UInt8]) throws(CryptoError) {
        var reader = DERReader(der, "key usage")
        let content = try reader.read(DER.Tag.bitString).content
        try reader.finish()
        guard let unused = content.first, unused < 8, (2...3).contains(content.count) else {
            throw .malformed(what: "key usage", detail: "bit string of \(content.count) bytes")
        }
        var bits: UInt16 = 0
        for (index, byte) in content.dropFirst().enumerated() {
            for bit in 0..<8 where byte & (0x80 >> bit) != 0 { bits |= 1 << (index * 8 + bit) }
        }
        rawValue = bits
    }

    /// Named bit list: trailing zero bits are not encoded (X.690 §11.2.2).
    var der: [UInt8] {
        var bytes: [UInt8] = [0, 0]
        for bit in 0..<16 where rawValue & (1 << bit) != 0 { bytes[bit / 8] |= 0x80 >> (bit % 8) }
        while let last = bytes.last, last == 0 { bytes.removeLast() }
        return DER.bitString(bytes, unused: UInt8(bytes.last?.trailingZeroBitCount ?? 0))
    }
}
