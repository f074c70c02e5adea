extension JSONValue {
    /// Compact JSON: no white space, members in their order, only the escapes that RFC 8259 §7 demands, each in its
    /// shortest form. Equal values are equal bytes.
    public func encoded() -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(512)
        write(to: &out)
        return out
    }

    /// RFC 8785 form: as ``encoded()``, members sorted by the UTF-16 units of their names.
    ///
    /// Enough for what Rekor signs (strings and integers): it does not reformat fractions.
    public func canonical() -> [UInt8] { sorted().encoded() }

    private func sorted() -> JSONValue {
        switch self {
        case .array(let elements): .array(elements.map { $0.sorted() })
        case .object(let object):
            .object(
                JSONObject(
                    object.members.map { JSONObject.Member($0.name, $0.value.sorted()) }
                        .sorted { $0.name.utf16.lexicographicallyPrecedes($1.name.utf16) }))
        default: self
        }
    }

    private func write(to out: inout [UInt8]) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .number(let text): out += text.utf8
        case .string(let text): Self.write(text, to: &out)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                element.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let object):
            out.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                Self.write(member.name, to: &out)
                out.append(UInt8(ascii: ":"))
                member.value.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        escape(text.utf8, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    /// Appends UTF-8 as it stands inside a JSON string, without the quotes. It may be cut anywhere.
    public static func escape(_ utf8: some Sequence<UInt8>, to out: inout [UInt8]) {
        if utf8.withContiguousStorageIfAvailable({ escape($0, to: &out) }) == nil {
            for byte in utf8 { escape(byte, to: &out) }
        }
    }

    /// What needs no escape is appended in runs: most of what is written is base64.
    private static func escape(_ utf8: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
        var start = utf8.startIndex
        for (index, byte) in utf8.enumerated() where isEscaped(byte) {
            out += utf8[start..<index]
            escape(byte, to: &out)
            start = index + 1
        }
        out += utf8[start...]
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func escape(_ byte: UInt8, to out: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
        case 0x08: out += "\\b".utf8
        case 0x09: out += "\\t".utf8
        case 0x0A: out += "\\n".utf8
        case 0x0C: out += "\\f".utf8
        case 0x0D: out += "\\r".utf8
        case 0..<0x10: out += "\\u000\(String(byte, radix: 16))".utf8
        case 0x10..<0x20: out += "\\u00\(String(byte, radix: 16))".utf8
        default: out.append(byte)
        }
    }
}
