/// Reads DER strictly, one element after another: indefinite or non-minimal lengths, long tags and trailing bytes are
/// refused. What two parsers read differently is where signature wrapping attacks live, so this accepts a subset of
/// what OpenSSL accepts, never more.
struct DERReader {
    struct Element {
        let tag: UInt8
        let content: ArraySlice<UInt8>
        /// Tag, length and content as they stood in the input.
        let encoded: ArraySlice<UInt8>
    }

    private var rest: ArraySlice<UInt8>
    private let what: String

    /// `what` names the structure in errors.
    init(_ bytes: ArraySlice<UInt8>, _ what: String) {
        rest = bytes
        self.what = what
    }

    init(_ bytes: [UInt8], _ what: String) { self.init(bytes[...], what) }

    var isAtEnd: Bool { rest.isEmpty }

    /// The tag of the next element, or nil at the end.
    var nextTag: UInt8? { rest.first }

    func malformed(_ detail: String) -> CryptoError { .malformed(what: what, detail: detail) }

    /// Throws unless everything was read.
    func finish() throws(CryptoError) {
        guard rest.isEmpty else { throw malformed("\(rest.count) trailing bytes") }
    }

    mutating func read() throws(CryptoError) -> Element {
        let start = rest.startIndex
        guard rest.count >= 2 else { throw malformed("truncated") }
        let tag = rest[start]
        guard tag & 0x1F != 0x1F else { throw malformed("multi-byte tag") }
        var length = Int(rest[start + 1])
        var contentStart = start + 2
        if length >= 0x80 {
            let count = length & 0x7F
            guard (1...4).contains(count) else { throw malformed("length of \(count) bytes") }
            guard rest.endIndex - contentStart >= count else { throw malformed("truncated length") }
            length = rest[contentStart..<contentStart + count].reduce(0) { $0 << 8 | Int($1) }
            guard length >= 0x80, rest[contentStart] != 0 else { throw malformed("length is not minimal") }
            contentStart += count
        }
        guard rest.endIndex - contentStart >= length else { throw malformed("truncated content") }
        let end = contentStart + length
        let element = Element(tag: tag, content: rest[contentStart..<end], encoded: rest[start..<end])
        rest = rest[end...]
        return element
    }

    mutating func read(_ tag: UInt8) throws(CryptoError) -> Element {
        let element = try read()
        guard element.tag == tag else {
            throw malformed("tag 0x\(String(element.tag, radix: 16)) where 0x\(String(tag, radix: 16)) belongs")
        }
        return element
    }

    /// The next element if it has that tag.
    mutating func readIfPresent(_ tag: UInt8) throws(CryptoError) -> Element? {
        nextTag == tag ? try read(tag) : nil
    }

    /// A reader over the content of the next element, which must be a SEQUENCE (or have the given tag).
    mutating func enter(_ tag: UInt8 = DER.Tag.sequence) throws(CryptoError) -> DERReader {
        DERReader(try read(tag).content, what)
    }

    /// An INTEGER of either sign whose value is only a name: magnitude as ``readMagnitude()`` if it is not negative,
    /// otherwise its two's complement.
    mutating func readSerialNumber() throws(CryptoError) -> [UInt8] {
        var ahead = self
        let content = try ahead.read(DER.Tag.integer).content
        guard let first = content.first, first >= 0x80 else { return try readMagnitude() }
        if first == 0xFF, let second = content.dropFirst().first, second >= 0x80 { throw malformed("padded integer") }
        self = ahead
        return Array(content)
    }

    /// A non-negative INTEGER as its big-endian magnitude without leading zeros (empty for zero).
    mutating func readMagnitude() throws(CryptoError) -> [UInt8] {
        let content = try read(DER.Tag.integer).content
        guard let first = content.first else { throw malformed("empty integer") }
        guard first < 0x80 else { throw malformed("negative integer") }
        if first == 0, let second = content.dropFirst().first, second < 0x80 { throw malformed("padded integer") }
        return Array(content.drop { $0 == 0 })
    }

    /// A small non-negative INTEGER.
    mutating func readInteger() throws(CryptoError) -> Int {
        let magnitude = try readMagnitude()
        guard magnitude.count < 8 else { throw malformed("integer of \(magnitude.count) bytes") }
        return magnitude.reduce(0) { $0 << 8 | Int($1) }
    }

    mutating func readBoolean() throws(CryptoError) -> Bool {
        let content = try read(DER.Tag.boolean).content
        switch (content.count, content.first) {
        case (1, 0x00): return false
        case (1, 0xFF): return true
        default: throw malformed("boolean is neither 00 nor FF")
        }
    }

    mutating func readObjectIdentifier() throws(CryptoError) -> String {
        let content = try read(DER.Tag.objectIdentifier).content
        guard let last = content.last, last < 0x80 else { throw malformed("object identifier is truncated") }
        var arcs: [UInt64] = []
        var arc: UInt64 = 0
        var isFirstByte = true
        for byte in content {
            guard !(isFirstByte && byte == 0x80) else { throw malformed("object identifier is padded") }
            guard arc < 1 << 56 else { throw malformed("object identifier arc over 63 bits") }
            arc = arc << 7 | UInt64(byte & 0x7F)
            isFirstByte = byte < 0x80
            if isFirstByte {
                arcs.append(arc)
                arc = 0
            }
        }
        let top = min(arcs[0] / 40, 2)
        return ([top, arcs[0] - top * 40] + arcs.dropFirst()).map(String.init).joined(separator: ".")
    }

    /// A BIT STRING that is a whole number of bytes.
    mutating func readBitString() throws(CryptoError) -> [UInt8] {
        let content = try read(DER.Tag.bitString).content
        guard content.first == 0 else { throw malformed("bit string of odd length") }
        return Array(content.dropFirst())
    }
}
