/// A shell pattern over target paths (4.5 "PATHPATTERN", glob(7)): `*` and `?` stay within a segment, `[…]` and `[!…]` are
/// one character of a set; nothing but `/` matches `/`.
struct PathPattern {
    private let segments: [[Unicode.Scalar]]

    init(_ pattern: String) { segments = Self.segments(pattern) }

    /// Compared scalar by scalar: `é` written in two ways is two paths.
    func matches(_ path: String) -> Bool {
        let parts = Self.segments(path)
        return parts.count == segments.count && zip(segments, parts).allSatisfy { Self.matches($0[...], $1[...]) }
    }

    private static func segments(_ text: String) -> [[Unicode.Scalar]] {
        text.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false).map(Array.init)
    }

    /// One segment, in time linear in pattern × text: only the last `*` is ever gone back to.
    private static func matches(_ pattern: ArraySlice<Unicode.Scalar>, _ text: ArraySlice<Unicode.Scalar>) -> Bool {
        var (p, t) = (pattern.startIndex, text.startIndex)
        var star: (pattern: Int, text: Int)?
        while t < text.endIndex {
            if p < pattern.endIndex, pattern[p] == "*" {
                star = (p + 1, t)
                p += 1
            } else if p < pattern.endIndex, let next = step(pattern[p...], text[t]) {
                p = next
                t += 1
            } else if let back = star {
                star = (back.pattern, back.text + 1)
                (p, t) = (back.pattern, back.text + 1)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }

    /// Where the pattern goes on if its head takes the character; nil if it does not.
    private static func step(_ pattern: ArraySlice<Unicode.Scalar>, _ character: Unicode.Scalar) -> Int? {
        let start = pattern.startIndex
        switch pattern[start] {
        case "?": return start + 1
        case "[":
            guard let set = CharacterSet(pattern) else { fallthrough }
            return set.contains(character) ? set.end : nil
        default: return pattern[start] == character ? start + 1 : nil
        }
    }

    /// `[abc]`, `[a-z]`, `[!a]`; a `]` directly after the bracket is a member. Without an end it is no set at all.
    private struct CharacterSet {
        private var ranges: [ClosedRange<UInt32>] = []
        private var isNegated = false
        let end: Int

        init?(_ pattern: ArraySlice<Unicode.Scalar>) {
            var index = pattern.startIndex + 1
            if index < pattern.endIndex, pattern[index] == "!" {
                isNegated = true
                index += 1
            }
            let first = index
            while index < pattern.endIndex, index == first || pattern[index] != "]" {
                let low = pattern[index].value
                if index + 2 < pattern.endIndex, pattern[index + 1] == "-", pattern[index + 2] != "]" {
                    if low <= pattern[index + 2].value { ranges.append(low...pattern[index + 2].value) }
                    index += 3
                } else {
                    ranges.append(low...low)
                    index += 1
                }
            }
            guard index < pattern.endIndex else { return nil }
            end = index + 1
        }

        func contains(_ character: Unicode.Scalar) -> Bool {
            ranges.contains { $0.contains(character.value) } != isNegated
        }
    }
}
