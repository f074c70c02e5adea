import FoundationEssentials

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
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            guard let line = String(validating: line, as: UTF8.self) else {
                throw refusal("line \(number)", "is not UTF-8")
            }
            guard textStart == nil else {
                if line.contains("</text>") { textStart = nil }
                continue
            }
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            guard let start = trimmed.first, start != "#", start != "\r", start != "\r\n" else { continue }
            guard let colon = trimmed.firstIndex(of: ":"), isTag(trimmed[..<colon]) else {
                throw refusal("line \(number)", "is neither \"Tag: value\" nor a comment")
            }
            let tag = String(trimmed[..<colon])
            var value = trimmed[trimmed.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            while let last = value.last, last.isWhitespace { value.removeLast() }
            if isFirst, tag != "SPDXVersion" { throw refusal("line \(number)", "the first tag is not SPDXVersion") }
            isFirst = false
            if value.hasPrefix("<text>"), !value.contains("</text>") { textStart = number }
            // the document's own identifier comes first; those of packages and files follow it
            if required.contains(tag), seen[tag] == nil { seen[tag] = String(value) }
        }
        if let textStart { throw refusal("line \(textStart)", "<text> does not end") }
        for tag in required where seen[tag, default: ""].isEmpty { throw refusal(tag, "is missing") }
        return try facts(seen)
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (0x41...0x5A).contains(first) || (0x61...0x7A).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy {
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
