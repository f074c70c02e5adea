import FoundationEssentials

/// The tables of docs/verification.md, which tests hold the verifier to.
public struct VerificationPage {
    private let lines: [Substring]

    public init() throws {
        lines = try String(contentsOfFile: packageRoot + "/docs/verification.md", encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The cells of the table's rows, without head, back-ticks and escapes.
    public func rows(under heading: String) -> [[String]] {
        lines.drop { $0 != "## \(heading)" }.dropFirst().prefix { !$0.hasPrefix("## ") }
            .filter { $0.hasPrefix("| ") }.dropFirst()
            .map { line in
                line.replacing("\\|", with: "\u{0}").split(separator: "|").map {
                    $0.replacing("\u{0}", with: "|").replacing("`", with: "").split(separator: " ").joined(
                        separator: " ")
                }
            }
    }

    /// Whether the text is of the pattern, in which `*` stands for anything.
    public static func matches(_ pattern: String, _ text: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return pattern == text }
        guard text.hasPrefix(first), text.hasSuffix(last), text.count >= first.count + last.count else { return false }
        var rest = text.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}
