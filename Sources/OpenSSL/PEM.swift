import FoundationEssentials

/// One block of RFC 7468 textual encoding: a label and the DER it carries.
public struct PEM: Sendable, Equatable {
    /// The words after `BEGIN`, such as `CERTIFICATE`.
    public let label: String
    /// The decoded bytes.
    public let der: [UInt8]

    /// A block to be written.
    public init(label: String, der: [UInt8]) {
        self.label = label
        self.der = der
    }

    /// The block as text: base64 in lines of 64 characters, with a final newline (RFC 7468 §2).
    public var text: String {
        let encoded = Array(Base64.encode(der).utf8)
        var text = "-----BEGIN \(label)-----\n"
        for start in stride(from: 0, to: encoded.count, by: 64) {
            text += String(decoding: encoded[start..<min(start + 64, encoded.count)], as: UTF8.self) + "\n"
        }
        return text + "-----END \(label)-----\n"
    }

    /// All blocks of a text, in order; text between blocks is explanation and is skipped (RFC 7468 §5.2).
    ///
    /// Throws `.malformed` for a block that is not closed by its own label, for anything but base64 inside one, and for
    /// text over 1 MiB. A text without any block is an empty list.
    public static func blocks(in text: String) throws(CryptoError) -> [PEM] {
        guard text.utf8.count <= 1 << 20 else { throw .malformed(what: "PEM", detail: "longer than 1 MiB") }
        var blocks: [PEM] = []
        var open: (label: String, base64: [UInt8])?
        // bytes, not characters: a text of a megabyte is split in milliseconds
        for line in Array(text.utf8).split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).map(trimmed) {
            if let label = boundary(line, "BEGIN") {
                guard open == nil else { throw .malformed(what: "PEM", detail: "BEGIN \(label) inside a block") }
                open = (label, [])
            } else if let label = boundary(line, "END") {
                guard let block = open, block.label == label else {
                    throw .malformed(what: "PEM", detail: "END \(label) closes nothing")
                }
                guard !block.base64.isEmpty,
                    let der = Base64.decode(String(decoding: block.base64, as: UTF8.self))
                else { throw .malformed(what: "PEM", detail: "\(label) block is not base64") }
                blocks.append(PEM(label: label, der: der))
                open = nil
            } else {
                open?.base64 += line
            }
        }
        if let open { throw .malformed(what: "PEM", detail: "\(open.label) block has no END") }
        return blocks
    }

    /// The only block with that label; none or several are an error.
    static func single(_ label: String, in text: String) throws(CryptoError) -> [UInt8] {
        let found = try blocks(in: text)
        guard found.count == 1, let block = found.first, block.label == label else {
            let seen = found.isEmpty ? "no block" : found.map(\.label).joined(separator: ", ")
            throw .malformed(what: "PEM", detail: "expected one \(label) block, found \(seen)")
        }
        return block.der
    }

    private static func boundary(_ line: ArraySlice<UInt8>, _ word: StaticString) -> String? {
        let prefix = Array("-----\(word) ".utf8)
        let dashes = Array("-----".utf8)
        guard line.starts(with: prefix), line.count > prefix.count + 5, Array(line.suffix(5)) == dashes else {
            return nil
        }
        let label = line.dropFirst(prefix.count).dropLast(5)
        // RFC 7468 §3: printable, and the registered ones are short
        guard label.count <= 64, label.allSatisfy({ (0x20..<0x7F).contains($0) }), label.firstRange(of: dashes) == nil
        else { return nil }
        return String(decoding: label, as: UTF8.self)
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        let start = line.firstIndex { !isBlank($0) } ?? line.endIndex
        let end = line.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
        return line[start..<max(start, end)]
    }
}
