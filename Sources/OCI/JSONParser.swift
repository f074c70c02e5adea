/// Reads one RFC 8259 document into a ``JSONValue``.
package struct JSONParser {
    /// Deeper nesting is refused; a manifest needs four levels.
    static let maximumDepth = 32

    private let bytes: [UInt8]
    private var position = 0

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Parses the whole of `bytes`; anything after the value is a fault.
    package static func parse(_ bytes: [UInt8]) throws(JSONValue.Fault) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value(depth: 0)
        parser.skipWhitespace()
        guard parser.position == bytes.count else { throw parser.fault("something follows the value") }
        return value
    }

    private func fault(_ reason: String) -> JSONValue.Fault {
        JSONValue.Fault(reason: reason, offset: position)
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipWhitespace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipWhitespace()
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(JSONValue.Fault) {
        guard take(UInt8(ascii: character)) else { throw fault("expected \(character)") }
    }

    private mutating func value(depth: Int) throws(JSONValue.Fault) -> JSONValue {
        guard depth <= Self.maximumDepth else { throw fault("nested deeper than \(Self.maximumDepth)") }
        skipWhitespace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case .some(let byte) where byte.isDigit || byte == UInt8(ascii: "-"): return .number(try number())
        case .none: throw fault("ended early")
        default: throw fault("not a value")
        }
    }

    private mutating func object(depth: Int) throws(JSONValue.Fault) -> JSONValue {
        try expect("{")
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        if take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            skipWhitespace()
            let name = try string()
            guard names.insert(name).inserted else { throw fault("member \"\(name)\" occurs twice") }
            try expect(":")
            members.append(.init(name, try value(depth: depth + 1)))
        } while take(UInt8(ascii: ","))
        try expect("}")
        return .object(members)
    }

    private mutating func array(depth: Int) throws(JSONValue.Fault) -> JSONValue {
        try expect("[")
        var values: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return .array(values) }
        repeat { values.append(try value(depth: depth + 1)) } while take(UInt8(ascii: ","))
        try expect("]")
        return .array(values)
    }

    private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONValue.Fault) -> JSONValue {
        let expected = Array("\(text)".utf8)
        guard bytes[position...].starts(with: expected) else { throw fault("not a value") }
        position += expected.count
        return value
    }

    /// `[-] int [frac] [exp]`, kept as text.
    private mutating func number() throws(JSONValue.Fault) -> String {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        let leadingZero = next == UInt8(ascii: "0")
        let integerDigits = skipDigits()
        guard integerDigits > 0, !leadingZero || integerDigits == 1 else { throw fault("malformed number") }
        if next == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() > 0 else { throw fault("malformed number") }
        }
        if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() > 0 else { throw fault("malformed number") }
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = next, byte.isDigit { position += 1 }
        return position - start
    }

    private mutating func string() throws(JSONValue.Fault) -> String {
        guard next == UInt8(ascii: "\"") else { throw fault("expected a string") }
        position += 1
        var content: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw fault("string is not UTF-8") }
                return text
            case UInt8(ascii: "\\"): content += try escape().utf8
            case 0..<0x20: throw fault("control character in a string")
            default: content.append(byte)
            }
        }
        throw fault("string ended early")
    }

    private mutating func escape() throws(JSONValue.Fault) -> String {
        guard let byte = next else { throw fault("string ended early") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw fault("unknown escape")
        }
    }

    /// `\uXXXX`, or two of them when the first is a high surrogate. A lone surrogate is no character: refused.
    private mutating func unicodeEscape() throws(JSONValue.Fault) -> String {
        var units = [try hexUnit()]
        if UTF16.isLeadSurrogate(units[0]) {
            guard next == UInt8(ascii: "\\") else { throw fault("lone surrogate") }
            position += 1
            guard next == UInt8(ascii: "u") else { throw fault("lone surrogate") }
            position += 1
            units.append(try hexUnit())
        }
        guard let text = String(validating: units, as: UTF16.self) else { throw fault("lone surrogate") }
        return text
    }

    private mutating func hexUnit() throws(JSONValue.Fault) -> UInt16 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy({ $0.isDigit || ($0 | 0x20).isLowercaseHex }),
            let unit = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw fault("malformed \\u escape") }
        position += 4
        return unit
    }
}
