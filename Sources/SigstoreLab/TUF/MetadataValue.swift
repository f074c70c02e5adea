/// JSON as TUF metadata is made of, in two spellings: the file, and the bytes that are signed.
indirect enum MetadataValue: Sendable, Equatable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([MetadataValue])
    case object([String: MetadataValue])

    /// OLPC canonical JSON: what signatures and key ids are made over. It escapes quotation marks and backslashes and
    /// nothing else, so that a PEM key's line ends stand in it raw: these bytes need not be JSON.
    var canonical: [UInt8] { Array(written { $0 == "\"" || $0 == "\\" ? "\\\($0)" : nil }.utf8) }

    /// The same as real JSON, for the file.
    var json: [UInt8] {
        Array(
            written { character in
                switch character {
                case "\"", "\\": "\\\(character)"
                case "\n": "\\n"
                case let other where other.value < 0x20: "\\u" + Self.fourDigits(other.value)
                default: nil
                }
            }.utf8)
    }

    private static func fourDigits(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    private func written(escaping escape: (Unicode.Scalar) -> String?) -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.unicodeScalars.reduce(into: "") { $0 += escape($1) ?? String($1) } + "\""
        }
        switch self {
        case .text(let text): return quoted(text)
        case .number(let number): return "\(number)"
        case .flag(let flag): return flag ? "true" : "false"
        case .list(let items): return "[" + items.map { $0.written(escaping: escape) }.joined(separator: ",") + "]"
        case .object(let members):
            let ordered = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            return "{"
                + ordered.map { quoted($0.key) + ":" + $0.value.written(escaping: escape) }.joined(separator: ",") + "}"
        }
    }
}
