/// Writes the Distinguished Encoding Rules of ASN.1 (X.690 §10, §11): definite, minimal lengths only.
public enum DER {
    /// Identifier octets of the types this project writes and reads.
    enum Tag {
        static let boolean: UInt8 = 0x01
        static let integer: UInt8 = 0x02
        static let bitString: UInt8 = 0x03
        static let octetString: UInt8 = 0x04
        static let null: UInt8 = 0x05
        static let objectIdentifier: UInt8 = 0x06
        static let utf8String: UInt8 = 0x0C
        static let utcTime: UInt8 = 0x17
        static let generalizedTime: UInt8 = 0x18
        static let sequence: UInt8 = 0x30
        static let set: UInt8 = 0x31

        /// `[number] IMPLICIT` of a primitive type.
        static func context(_ number: UInt8) -> UInt8 { 0x80 | number }
        /// `[number] EXPLICIT`, or IMPLICIT of a constructed type.
        static func constructed(_ number: UInt8) -> UInt8 { 0xA0 | number }
    }

    /// One element: identifier octet, length, content.
    public static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        let length = bigEndian(UInt64(content.count))
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }

    /// SEQUENCE of already encoded elements.
    public static func sequence(_ elements: [UInt8]...) -> [UInt8] {
        element(Tag.sequence, Array(elements.joined()))
    }

    /// SET OF already encoded elements, in the order X.690 §11.6 demands.
    public static func set(of elements: [[UInt8]]) -> [UInt8] {
        element(Tag.set, Array(elements.sorted { $0.lexicographicallyPrecedes($1) }.joined()))
    }

    /// INTEGER from an unsigned big-endian magnitude.
    public static func integer(_ magnitude: [UInt8]) -> [UInt8] {
        let significant = Array(magnitude.drop { $0 == 0 })
        let needsZero = significant.first.map { $0 >= 0x80 } ?? true
        return element(Tag.integer, (needsZero ? [0] : []) + significant)
    }

    /// INTEGER from a small number.
    public static func integer(_ value: UInt64) -> [UInt8] { integer(bigEndian(value)) }

    /// BOOLEAN.
    public static func boolean(_ value: Bool) -> [UInt8] { element(Tag.boolean, [value ? 0xFF : 0x00]) }

    /// NULL.
    public static var null: [UInt8] { element(Tag.null, []) }

    /// OCTET STRING.
    public static func octetString(_ bytes: [UInt8]) -> [UInt8] { element(Tag.octetString, bytes) }

    /// BIT STRING; `unused` counts the padding bits of the last byte.
    public static func bitString(_ bytes: [UInt8], unused: UInt8 = 0) -> [UInt8] {
        element(Tag.bitString, [unused] + bytes)
    }

    /// UTF8String.
    public static func utf8String(_ text: String) -> [UInt8] { element(Tag.utf8String, Array(text.utf8)) }

    /// OBJECT IDENTIFIER from its dotted form; throws `.malformed` when that is not one.
    public static func objectIdentifier(_ dotted: String) throws(CryptoError) -> [UInt8] {
        let arcs = dotted.split(separator: ".", omittingEmptySubsequences: false).map { UInt64($0) }
        guard arcs.count >= 2, let top = arcs[0], let second = arcs[1], top < 3, second < (top < 2 ? 40 : 1 << 32)
        else {
            throw .malformed(what: "object identifier", detail: dotted)
        }
        var content = base128(top * 40 + second)
        for arc in arcs.dropFirst(2) {
            guard let arc else { throw .malformed(what: "object identifier", detail: dotted) }
            content += base128(arc)
        }
        return element(Tag.objectIdentifier, content)
    }

    /// The text of a DER UTF8String that fills `bytes` exactly; throws `.malformed` otherwise.
    public static func decodeUTF8String(_ bytes: [UInt8]) throws(CryptoError) -> String {
        var reader = DERReader(bytes, "UTF8String")
        let content = try reader.read(Tag.utf8String).content
        try reader.finish()
        guard let text = String(validating: content, as: UTF8.self) else {
            throw .malformed(what: "UTF8String", detail: "not UTF-8")
        }
        return text
    }

    static func bigEndian(_ value: UInt64) -> [UInt8] {
        let bytes = withUnsafeBytes(of: value.bigEndian, Array.init).drop { $0 == 0 }
        return bytes.isEmpty ? [0] : Array(bytes)
    }

    private static func base128(_ value: UInt64) -> [UInt8] {
        var digits = [UInt8(value & 0x7F)]
        var rest = value >> 7
        while rest > 0 {
            digits.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return digits.reversed()
    }
}
