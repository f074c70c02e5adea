extension StringProtocol {
    /// Whether it can be compared, hashed and searched in time that grows with its length: no more than 30 combining marks in a
    /// row, as in Unicode's stream-safe text format (UAX #15, §13).
    ///
    /// Swift compares text in its canonical form, for which it sorts each run of marks, in time that grows with the square of
    /// the run: two megabytes of marks in one member's name hold a core for an hour. Text from outside that may be longer than
    /// a few kilobytes is asked this before anything else is done with it; strings of JSON are, where they are read.
    public var isStreamSafe: Bool {
        // a mark is two bytes at least and begins with 0xCC (U+0300) or more: nearly all text is told apart by that
        guard utf8.count > 2 * streamSafeMarks, !utf8.allSatisfy({ $0 < 0xCC }) else { return true }
        var marks = 0
        for scalar in unicodeScalars {
            marks = scalar.isCombiningMark ? marks + 1 : 0
            if marks > streamSafeMarks { return false }
        }
        return true
    }
}

private let streamSafeMarks = 30

extension Unicode.Scalar {
    /// Three characters of class 0 consist of marks alone (UAX #15, "non-starter decompositions").
    fileprivate var isCombiningMark: Bool {
        switch value {
        case ..<0x300: false
        case 0x0F73, 0x0F75, 0x0F81: true
        default: properties.canonicalCombiningClass != .notReordered
        }
    }
}
