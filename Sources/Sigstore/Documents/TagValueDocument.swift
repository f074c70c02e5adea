import FoundationEssentials
import StrictJSON

/// SPDX 2.0 to 2.3 tag-value text: `Tag: value` lines, `#` comments, and values between `<text>` and `</text>` that may
/// run over many lines (SPDX 2.3, §6 and annex C).
enum TagValueDocument {
    /// Only text knows all of them; JSON begins with 2.2.
    private static let versions = ["SPDX-2.0", "SPDX-2.1", "SPDX-2.2", "SPDX-2.3"]

    /// Tags that a document must have, once each, in its creation section: the same in all versions (§2 in 2.0 and 2.1, §6
    /// in 2.3).
    private static let required = [
        "SPDXVersion", "DataLicense", "SPDXID", "DocumentName", "DocumentNamespace", "Creator", "Created",
    ]

    /// Whether these bytes, which are no JSON, begin like such a document.
    static func looksLikeOne(_ bytes: [UInt8]) -> Bool {
        String(decoding: bytes.prefix(4096), as: UTF8.self).split(separator: "\n").contains {
            $0.hasPrefix("SPDXVersion:")
        }
    }

    /// - Returns: what it is, with its version.
    static func check(_ bytes: [UInt8]) throws(DocumentError) -> String {
        if let first = bytes.first(where: { $0 > 0x20 }), first == UInt8(ascii: "{") {
            throw refusal("", "it is JSON", fix: "send it as type=spdxjson, or the type that it is of")
        }
        var seen: [String: String] = [:]
        var textStart: Int?
        var isFirst = true
        var number = 0
        var next = bytes.startIndex
        while next < bytes.endIndex {
            let line = bytes[next..<(bytes[next...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex)]
            next = line.endIndex + 1
            number += 1
            guard String(validating: line, as: UTF8.self) != nil else {
                throw refusal("line \(number)", "is not UTF-8")
            }
            guard textStart == nil else {
                if line.firstRange(of: textEnds) != nil { textStart = nil }
                continue
            }
            let trimmed = trimmed(line)
            guard let first = trimmed.first, first != UInt8(ascii: "#") else { continue }
            guard let colon = trimmed.firstIndex(of: UInt8(ascii: ":")), isTag(trimmed[..<colon]) else {
                throw refusal("line \(number)", "is neither \"Tag: value\" nor a comment")
            }
            let tag = String(decoding: trimmed[..<colon], as: UTF8.self)
            let value = self.trimmed(trimmed[(colon + 1)...])
            if isFirst, tag != "SPDXVersion" { throw refusal("line \(number)", "the first tag is not SPDXVersion") }
            isFirst = false
            if value.starts(with: textBegins), value.firstRange(of: textEnds) == nil { textStart = number }
            // the document's own identifier comes first; those of packages and files follow it
            guard required.contains(tag), seen[tag] == nil else { continue }
            let text = String(decoding: value, as: UTF8.self)
            guard text.isStreamSafe else { throw refusal(tag, "more than 30 combining marks in a row") }
            seen[tag] = text
        }
        if let textStart { throw refusal("line \(textStart)", "<text> does not end") }
        for tag in required where seen[tag, default: ""].isEmpty { throw refusal(tag, "is missing") }
        return try facts(seen)
    }

    // lines are looked at as bytes: they may be as long as the document, and of any characters
    private static let (textBegins, textEnds) = (Array("<text>".utf8), Array("</text>".utf8))

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let rest = line.drop(while: isBlank)
        return rest[..<(rest.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? rest.startIndex)]
    }

    private static func isTag(_ text: ArraySlice<UInt8>) -> Bool {
        guard let first = text.first, (0x41...0x5A).contains(first) || (0x61...0x7A).contains(first) else {
            return false
        }
        return text.allSatisfy {
            (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0)
        }
    }

    private static func facts(_ seen: [String: String]) throws(DocumentError) -> String {
        let version = seen["SPDXVersion", default: ""]
        guard versions.contains(version) else {
            let known = versions.joined(separator: ", ")
            throw refusal("SPDXVersion", "\"\(printable(version, limit: 40))\" is none of \(known)")
        }
        guard seen["SPDXID"] == "SPDXRef-DOCUMENT" else {
            throw refusal("SPDXID", "the first is not SPDXRef-DOCUMENT")
        }
        guard seen["DataLicense"] == "CC0-1.0" else { throw refusal("DataLicense", "is not CC0-1.0") }
        guard Date(rfc3339: seen["Created", default: ""]) != nil else {
            throw refusal("Created", "is no RFC 3339 time")
        }
        guard PredicateType.isURI(seen["DocumentNamespace", default: ""]) else {
            throw refusal("DocumentNamespace", "is no URI")
        }
        return "SPDX \(version.dropFirst("SPDX-".count)) tag-value"
    }

    private static func refusal(_ place: String, _ observed: String, fix: String? = nil) -> DocumentError {
        DocumentError(
            DocumentFormat.spdxTagValue.title, at: place, observed,
            fix: fix ?? "have the document made anew by its tool (syft -o spdx-tag-value)")
    }
}
