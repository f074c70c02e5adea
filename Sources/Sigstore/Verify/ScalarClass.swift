/// The scalars that a class of a regular expression names.
struct ScalarClass: Sendable {
    typealias Ranges = [ClosedRange<UInt32>]

    /// Sorted and apart, once the class is complete.
    private var ranges: Ranges = []
    private var categories: Set<Unicode.GeneralCategory> = []
    /// Of each, whatever is in none of its categories.
    private var outside: Set<Set<Unicode.GeneralCategory>> = []
    private let isFolded: Bool
    var isNegated = false

    /// An empty class.
    /// - Parameter foldsCase: a scalar belongs to it, if one does that differs in case alone.
    init(foldsCase: Bool) { isFolded = foldsCase }

    mutating func insert(_ range: ClosedRange<UInt32>) { ranges.append(range) }

    /// ASCII scalars, or all others.
    mutating func insert(_ group: Ranges, isNegated: Bool) {
        guard isNegated else { return ranges += group }
        var named = group
        if isFolded {
            let scalars = group.joined().compactMap(Unicode.Scalar.init)
            named += scalars.flatMap { CaseFolding.others(than: $0) }.map { $0.value...$0.value }
        }
        ranges += Self.rest(of: named)
    }

    mutating func insert(_ named: Set<Unicode.GeneralCategory>, isNegated: Bool) {
        if isNegated { outside.insert(named) } else { categories.formUnion(named) }
    }

    /// Nothing is inserted any more.
    mutating func complete() { ranges = Self.merged(ranges) }

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        let others = isFolded ? CaseFolding.others(than: scalar) : []
        func any(_ isNamed: (Unicode.Scalar) -> Bool) -> Bool { isNamed(scalar) || others.contains(where: isNamed) }
        let isNamed =
            any { isInRanges($0.value) }
            || !categories.isEmpty && any { categories.contains($0.properties.generalCategory) }
            || outside.contains { named in !any { named.contains($0.properties.generalCategory) } }
        return isNamed != isNegated
    }

    private func isInRanges(_ value: UInt32) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(value)
    }

    private static func merged(_ ranges: Ranges) -> Ranges {
        var merged: Ranges = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    private static func rest(of ranges: Ranges) -> Ranges {
        var (rest, next): (Ranges, UInt32) = ([], 0)
        for range in merged(ranges) {
            if range.lowerBound > next { rest.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { rest.append(next...0x10FFFF) }
        return rest
    }
}

// MARK: - What has a name

extension ScalarClass {
    static let digit: Ranges = [0x30...0x39]
    static let (upper, lower): (Ranges, Ranges) = ([0x41...0x5A], [0x61...0x7A])
    /// `\w`, ASCII alone: a look-alike of another script is no word.
    static let word: Ranges = digit + upper + lower + [0x5F...0x5F]
    /// `\s` has no vertical tab, `[[:space:]]` has.
    static let space: Ranges = [0x09...0x0A, 0x0C...0x0D, 0x20...0x20]

    /// The scalars of a POSIX class, `alpha` of `[[:alpha:]]`.
    static func posix(_ name: String) -> Ranges? {
        switch name {
        case "alnum": digit + upper + lower
        case "alpha": upper + lower
        case "ascii": [0x00...0x7F]
        case "blank": [0x09...0x09, 0x20...0x20]
        case "cntrl": [0x00...0x1F, 0x7F...0x7F]
        case "digit": digit
        case "graph": [0x21...0x7E]
        case "lower": lower
        case "print": [0x20...0x7E]
        case "punct": [0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E]
        case "space": [0x09...0x0D, 0x20...0x20]
        case "upper": upper
        case "word": word
        case "xdigit": digit + [0x41...0x46, 0x61...0x66]
        default: nil
        }
    }

    /// The general categories that `\p{…}` names: one (`Lu`), or all of a kind (`L`).
    static func categories(_ name: String) -> Set<Unicode.GeneralCategory>? {
        let named: [String: Unicode.GeneralCategory] = [
            "Lu": .uppercaseLetter, "Ll": .lowercaseLetter, "Lt": .titlecaseLetter, "Lm": .modifierLetter,
            "Lo": .otherLetter, "Mn": .nonspacingMark, "Mc": .spacingMark, "Me": .enclosingMark,
            "Nd": .decimalNumber, "Nl": .letterNumber, "No": .otherNumber, "Pc": .connectorPunctuation,
            "Pd": .dashPunctuation, "Ps": .openPunctuation, "Pe": .closePunctuation, "Pi": .initialPunctuation,
            "Pf": .finalPunctuation, "Po": .otherPunctuation, "Sm": .mathSymbol, "Sc": .currencySymbol,
            "Sk": .modifierSymbol, "So": .otherSymbol, "Zs": .spaceSeparator, "Zl": .lineSeparator,
            "Zp": .paragraphSeparator, "Cc": .control, "Cf": .format, "Cs": .surrogate, "Co": .privateUse,
            "Cn": .unassigned,
        ]
        if name.unicodeScalars.count == 1 {
            let kind = Set(named.filter { $0.key.hasPrefix(name) }.values)
            return kind.isEmpty ? nil : kind
        }
        return named[name].map { [$0] }
    }
}

/// Which scalars differ in case alone, by Unicode's simple foldings: k, K and the Kelvin sign.
enum CaseFolding {
    static func others(than scalar: Unicode.Scalar) -> [Unicode.Scalar] { families[scalar] ?? [] }

    private static let families: [Unicode.Scalar: [Unicode.Scalar]] = {
        // no letter beyond has two cases
        let cased = (0...0x1FFFF).compactMap { Unicode.Scalar(UInt32($0)) }.filter(\.properties.changesWhenCaseMapped)
        let families = Dictionary(grouping: cased, by: folded).values.filter { $0.count > 1 }
        return Dictionary(
            uniqueKeysWithValues: families.flatMap { family in
                family.map { scalar in (scalar, family.filter { $0 != scalar }) }
            })
    }()

    private static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        // the dotless i has I as its capital, and is folded to nothing but itself
        guard scalar != "\u{131}" else { return scalar }
        let upper = only(scalar.properties.uppercaseMapping) ?? scalar
        return only(upper.properties.lowercaseMapping) ?? upper
    }

    /// A full mapping may have several scalars (SS of ß): no simple one.
    private static func only(_ mapping: String) -> Unicode.Scalar? {
        mapping.unicodeScalars.count == 1 ? mapping.unicodeScalars.first : nil
    }
}
