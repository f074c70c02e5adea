/// The tokens of RFC 8259, strictly: the one reading that the tree (``JSONValue``) and the outline (``JSONOutline``) share.
struct JSONScanner {
    let bytes: [UInt8]
    private let limit: Int
    private let maxDepth: Int
    private(set) var position: Int

    init(_ bytes: [UInt8], _ range: Range<Int>, _ limits: JSONLimits) throws(JSONError) {
        guard range.count <= limits.maxBytes else {
            throw JSONError(
                offset: range.lowerBound, reason: "\(range.count) bytes, at most \(limits.maxBytes) are read")
        }
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
            throw JSONError(offset: bytes.count, reason: "the document ends early")
        }
        self.bytes = bytes
        position = range.lowerBound
        limit = range.upperBound
        maxDepth = limits.maxDepth
    }

    func error(_ reason: String, isOfTooManyValues: Bool = false) -> JSONError {
        JSONError(offset: position, reason: reason, isOfTooManyValues: isOfTooManyValues)
    }

    private var current: UInt8? { position < limit ? bytes[position] : nil }

    mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard current == byte else { throw error("expected '\(Character(Unicode.Scalar(byte)))'") }
        position += 1
    }

    /// Nothing but space is left.
    mutating func finish() throws(JSONError) {
        skipSpace()
        guard position == limit else { throw error("bytes after the end of the document") }
    }

    /// What begins after the space; nothing of it is read yet.
    mutating func kind(depth: Int) throws(JSONError) -> JSONKind {
        guard depth <= maxDepth else { throw error("nested deeper than \(maxDepth)") }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case .some(let byte) where byte == UInt8(ascii: "-") || isDigit(byte): return .number
        case .some: throw error("not a JSON value")
        case nil: throw error("the document ends early")
        }
    }

    mutating func open(_ bracket: UInt8) throws(JSONError) { try expect(bracket) }

    /// Whether another element stands before the closing bracket; reads the comma or the bracket.
    mutating func hasNext(isFirst: Bool, before bracket: UInt8) throws(JSONError) -> Bool {
        skipSpace()
        if isFirst {
            guard current == bracket else { return true }
            position += 1
            return false
        }
        if current == UInt8(ascii: ",") {
            position += 1
            return true
        }
        try expect(bracket)
        return false
    }

    /// The name of a member, without its colon.
    mutating func name() throws(JSONError) -> String {
        skipSpace()
        return try string()
    }

    mutating func colon() throws(JSONError) {
        skipSpace()
        try expect(UInt8(ascii: ":"))
    }

    mutating func literal(_ text: StaticString) throws(JSONError) {
        let after = position + text.utf8CodeUnitCount
        guard after <= limit, "\(text)".utf8.elementsEqual(bytes[position..<after]) else {
            throw error("not a JSON value")
        }
        position = after
    }

    mutating func boolean() throws(JSONError) -> Bool {
        let value = current == UInt8(ascii: "t")
        try literal(value ? "true" : "false")
        return value
    }

    private func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }

    /// The bytes of a number.
    mutating func number() throws(JSONError) -> Range<Int> {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        guard isDigit(current) else { throw error("not a number") }
        if current == UInt8(ascii: "0") { position += 1 } else { digits() }
        if current == UInt8(ascii: ".") {
            position += 1
            guard isDigit(current) else { throw error("not a number") }
            digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            guard isDigit(current) else { throw error("not a number") }
            digits()
        }
        return start..<position
    }

    private mutating func digits() { while isDigit(current) { position += 1 } }

    /// Reads past a string; only what is not plain ASCII is looked at more closely.
    mutating func skipString() throws(JSONError) {
        let start = position
        try expect(UInt8(ascii: "\""))
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), (0x20..<0x80).contains(byte) {
            position += 1
        }
        if current == UInt8(ascii: "\"") {
            position += 1
        } else {
            position = start
            _ = try string()
        }
    }

    mutating func string() throws(JSONError) -> String {
        try expect(UInt8(ascii: "\""))
        let start = position
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if current == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try validated(bytes[start..<position])
        }
        var unescaped = Array(bytes[start..<position])
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try validated(unescaped[...])
            case UInt8(ascii: "\\"):
                position += 1
                try unescape(into: &unescaped)
            case 0..<0x20: throw error("a control character inside a string")
            default:
                unescaped.append(byte)
                position += 1
            }
        }
        throw error("a string does not end")
    }

    private func validated(_ utf8: ArraySlice<UInt8>) throws(JSONError) -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else { throw error("a string is not UTF-8") }
        guard text.isStreamSafe else { throw error("more than 30 combining marks in a row inside a string") }
        return text
    }

    private mutating func unescape(into out: inout [UInt8]) throws(JSONError) {
        guard let escape = current else { throw error("a string does not end") }
        position += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(escape)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0C)
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "u"): out += Array(String(try escapedScalar()).utf8)
        default: throw error("an unknown escape")
        }
    }

    private mutating func escapedScalar() throws(JSONError) -> Character {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(UInt32(first)) { return Character(scalar) }
        guard (0xD800..<0xDC00).contains(first), current == UInt8(ascii: "\\") else { throw error("a lone surrogate") }
        position += 1
        try expect(UInt8(ascii: "u"))
        let second = try codeUnit()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
        else { throw error("a lone surrogate") }
        return Character(scalar)
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("four hex digits expected")
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }
}
