/// A pattern over names of slash-separated segments: `*` stays within a segment, `**` crosses, `?` is one character of a
/// segment; the whole name must match (architecture §7.13).
///
/// Matching costs at most pattern × name steps: a hostile name cannot make it explode.
package struct Glob: Sendable, Hashable, CustomStringConvertible {
    package let pattern: String
    private let tokens: [Token]

    private enum Token: Hashable {
        case literal(UInt8)
        /// `?`
        case one
        /// `*`
        case within
        /// `**`
        case across
    }

    /// - Throws: `GlobError` for an empty, overlong or non-printable pattern, and for `***`.
    package init(_ pattern: String) throws(GlobError) {
        guard !pattern.isEmpty else { throw .empty }
        guard pattern.utf8.count <= 512 else { throw .tooLong }
        guard pattern.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { throw .unprintable }
        guard !pattern.contains("***") else { throw .ambiguous }
        var tokens: [Token] = []
        for byte in pattern.utf8 {
            switch byte {
            case UInt8(ascii: "*") where tokens.last == .within: tokens[tokens.count - 1] = .across
            case UInt8(ascii: "*"): tokens.append(.within)
            case UInt8(ascii: "?"): tokens.append(.one)
            default: tokens.append(.literal(byte))
            }
        }
        self.pattern = pattern
        self.tokens = tokens
    }

    package var description: String { pattern }

    /// Whether the whole name matches.
    package func matches(_ name: String) -> Bool {
        // The set of token positions reached so far; one pass over the name (Thompson's construction).
        var reached = [Bool](repeating: false, count: tokens.count + 1)
        reached[0] = true
        passStars(&reached)
        for byte in name.utf8 {
            var next = [Bool](repeating: false, count: tokens.count + 1)
            for (position, token) in tokens.enumerated() where reached[position] {
                switch token {
                case .literal(let wanted): if wanted == byte { next[position + 1] = true }
                case .one: if byte != UInt8(ascii: "/") { next[position + 1] = true }
                case .within: if byte != UInt8(ascii: "/") { next[position] = true }
                case .across: next[position] = true
                }
            }
            passStars(&next)
            reached = next
        }
        return reached[tokens.count]
    }

    /// A star may stand for nothing.
    private func passStars(_ reached: inout [Bool]) {
        for (position, token) in tokens.enumerated() where reached[position] && (token == .within || token == .across) {
            reached[position + 1] = true
        }
    }
}

/// Why a pattern is not a glob.
package enum GlobError: Error, Equatable, CustomStringConvertible {
    case empty, tooLong, unprintable, ambiguous

    package var code: String { "glob.malformed" }

    package var fix: String {
        "write it as 'registry.example.com/team/**': '*' within a segment, '**' across segments"
    }

    package var description: String {
        switch self {
        case .empty: "the pattern is empty"
        case .tooLong: "the pattern is longer than 512 bytes"
        case .unprintable: "the pattern has spaces or characters outside printable ASCII"
        case .ambiguous: "'***' means nothing; write '*' (within a segment) or '**' (across segments)"
        }
    }
}
