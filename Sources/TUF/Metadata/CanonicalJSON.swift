import StrictJSON

extension JSONValue {
    /// The bytes that a TUF signature covers: OLPC canonical JSON (TUF specification 4.1).
    ///
    /// Members sorted by the code points of their names; of a string only `"` and `\` are escaped, everything else stands
    /// as it is, line ends too; numbers are integers.
    /// - Throws: what canonical JSON cannot express.
    func olpcCanonical() throws(CanonicalJSONError) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(4096)
        try write(to: &out)
        return out
    }

    private func write(to out: inout [UInt8]) throws(CanonicalJSONError) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .number(let text):
            // "-0" is an integer to some readers and a fraction to others
            guard text != "-0", text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }) else {
                throw CanonicalJSONError(detail: "a number that is not an integer")
            }
            out += text.utf8
        case .string(let text): Self.write(text, to: &out)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                try element.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let object):
            // the order of UTF-8 bytes is the order of code points
            let members = object.members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                Self.write(member.name, to: &out)
                out.append(UInt8(ascii: ":"))
                try member.value.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { out.append(UInt8(ascii: "\\")) }
            out.append(byte)
        }
        out.append(UInt8(ascii: "\""))
    }
}

/// A value that canonical JSON has no form for.
struct CanonicalJSONError: Error {
    let detail: String
}
