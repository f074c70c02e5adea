extension IdentityPattern.Reader {
    /// `\Q…\E`: each character stands for itself.
    mutating func quotation() -> [IdentityPattern.Node] {
        next += 2
        var literals: [IdentityPattern.Node] = []
        while let scalar = peek() {
            if scalar == "\\", peek(1) == "E" {
                next += 2
                break
            }
            literals.append(literal(scalar.value))
            next += 1
        }
        return literals
    }

    /// What a backslash begins outside of brackets.
    mutating func escaped() throws(PatternFault) -> IdentityPattern.Node {
        let assertions: [Unicode.Scalar: IdentityPattern.Assertion] = [
            "A": .textStart, "z": .textEnd, "b": .wordBoundary, "B": .noWordBoundary,
        ]
        if let assertion = peek(1).flatMap({ assertions[$0] }) {
            next += 2
            return .assertion(assertion)
        }
        var scalars = ScalarClass(foldsCase: flags.foldsCase)
        guard try insertNamed(into: &scalars) else { return literal(try escapedCharacter()) }
        scalars.complete()
        return .oneOf(scalars)
    }

    /// One character by its escape: `\.`, `\n`, `\x41`, `\x{10FFFF}`, `\101`.
    private mutating func escapedCharacter() throws(PatternFault) -> UInt32 {
        let start = next
        next += 1
        guard let scalar = peek() else {
            throw fault(start, "a backslash at the end", "write \\\\ for the character itself")
        }
        next += 1
        switch scalar {
        case "a": return 0x07
        case "f": return 0x0C
        case "n": return 0x0A
        case "r": return 0x0D
        case "t": return 0x09
        case "v": return 0x0B
        case "x": if let value = hexadecimal() { return value }
        case "0": return octal(0)
        case "1"..."9":
            // two octal digits are a character, one alone is a group in other syntaxes
            guard scalar < "8", let second = peek(), "0"..."7" ~= second else {
                throw fault(start, "a reference back, which neither RE2 nor Go has", "write out what may stand there")
            }
            return octal(scalar.value - 0x30)
        default:
            if scalar.isASCII, !ScalarClass.word.contains(where: { $0.contains(scalar.value) }) || scalar == "_" {
                return scalar.value
            }
        }
        throw fault(start, "no such escape: \(quoted(from: start))", "leave the backslash out, or write \\\\ for one")
    }

    /// Up to two more digits.
    private mutating func octal(_ first: UInt32) -> UInt32 {
        var value = first
        for _ in 0..<2 {
            guard let digit = peek(), "0"..."7" ~= digit else { break }
            value = value * 8 + digit.value - 0x30
            next += 1
        }
        return value
    }

    /// Two digits, or any number in braces.
    private mutating func hexadecimal() -> UInt32? {
        func digit() -> UInt32? {
            guard let scalar = peek(), scalar.isASCII else { return nil }
            return Character(scalar).hexDigitValue.map(UInt32.init)
        }
        let isBraced = skip("{")
        let start = next
        var value: UInt32 = 0
        while isBraced || next < start + 2, let more = digit() {
            value = value * 16 + more
            guard value <= 0x10FFFF else { return nil }
            next += 1
        }
        return isBraced ? next > start && skip("}") ? value : nil : next == start + 2 ? value : nil
    }
}

// MARK: - Classes

extension IdentityPattern.Reader {
    /// `[a-z]`, `[^[:alpha:]\d]`.
    mutating func bracketed() throws(PatternFault) -> ScalarClass {
        let start = next
        next += 1
        var scalars = ScalarClass(foldsCase: flags.foldsCase)
        scalars.isNegated = skip("^")
        var isFirst = true
        // a bracket that comes first is a character
        while isFirst || peek() != "]" {
            isFirst = false
            if try insertPOSIX(into: &scalars) { continue }
            if try insertNamed(into: &scalars) { continue }
            let place = next
            let low = try classCharacter(of: start)
            var high = low
            if peek() == "-", let end = peek(1), end != "]" {
                next += 1
                high = try classCharacter(of: start)
            }
            guard low <= high else {
                throw fault(place, "\(quoted(from: place)) runs backwards", "write the smaller end first")
            }
            scalars.insert(low...high)
        }
        next += 1
        scalars.complete()
        return scalars
    }

    private mutating func classCharacter(of start: Int) throws(PatternFault) -> UInt32 {
        guard let scalar = peek() else {
            throw fault(start, "a [ that is not closed", "close it, or write \\[ for the character itself")
        }
        guard scalar != "\\" else { return try escapedCharacter() }
        next += 1
        return scalar.value
    }

    /// `[:alpha:]`, if such a class comes.
    private mutating func insertPOSIX(into scalars: inout ScalarClass) throws(PatternFault) -> Bool {
        guard peek() == "[", peek(1) == ":" else { return false }
        let start = next
        var end = next + 2
        while end < text.count, text[end] != ":" || end + 1 == text.count || text[end + 1] != "]" { end += 1 }
        guard end < text.count else { return false }
        let isNegated = peek(2) == "^"
        let name = String(String.UnicodeScalarView(text[(start + (isNegated ? 3 : 2))..<end]))
        next = end + 2
        guard let group = ScalarClass.posix(name) else {
            throw fault(start, "no such class: \(quoted(from: start))", "write one of POSIX, such as [[:alpha:]]")
        }
        scalars.insert(group, isNegated: isNegated)
        return true
    }

    /// `\d`, `\pL` and the like, if such a class comes.
    private mutating func insertNamed(into scalars: inout ScalarClass) throws(PatternFault) -> Bool {
        guard peek() == "\\", let name = peek(1) else { return false }
        switch name {
        case "d", "D": scalars.insert(ScalarClass.digit, isNegated: name == "D")
        case "w", "W": scalars.insert(ScalarClass.word, isNegated: name == "W")
        case "s", "S": scalars.insert(ScalarClass.space, isNegated: name == "S")
        case "p", "P":
            try insertCategories(into: &scalars)
            return true
        default: return false
        }
        next += 2
        return true
    }

    /// `\pL`, `\p{Lu}`, `\P{Lu}` and `\p{^Lu}`.
    private mutating func insertCategories(into scalars: inout ScalarClass) throws(PatternFault) {
        let start = next
        var isNegated = peek(1) == "P"
        next += 2
        let isBraced = skip("{")
        let nameStart = next
        while let scalar = peek(), isBraced ? scalar != "}" : next == nameStart { next += 1 }
        var name = text[nameStart..<next]
        guard !isBraced || skip("}") else {
            throw fault(start, "\(quoted(from: start)) is not closed", "write a category in braces: \\p{Lu}")
        }
        if name.first == "^" {
            isNegated.toggle()
            name.removeFirst()
        }
        let word = String(String.UnicodeScalarView(name))
        if word == "Any" {
            if !isNegated { scalars.insert(0...0x10FFFF) }
        } else if let categories = ScalarClass.categories(word) {
            scalars.insert(categories, isNegated: isNegated)
        } else {
            throw fault(
                start,
                "\(quoted(from: start)): of Unicode's classes only general categories are known, by their short names",
                "write a category, such as \\p{L} or \\p{Nd}, or ranges, such as [\\x{370}-\\x{3FF}]")
        }
    }
}
