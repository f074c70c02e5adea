import StrictJSON

/// The content of single elements of an XML answer, for the few of them that AWS's query API needs.
enum XMLText {
    /// The text of the first element of that name without attributes; nil if there is none, or if elements are inside.
    static func element(_ name: String, in text: String) -> String? {
        guard text.isStreamSafe, let start = text.firstRange(of: "<\(name)>"),
            let end = text[start.upperBound...].firstRange(of: "</\(name)>")
        else { return nil }
        let content = String(text[start.upperBound..<end.lowerBound])
        guard !content.contains("<") else { return nil }
        return content.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
            .replacing("&apos;", with: "'").replacing("&amp;", with: "&")
    }
}
