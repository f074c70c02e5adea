extension IdentityPattern {
    /// Reads the syntax that Go's `regexp/syntax` documents, by its rules (parse.go): what it refuses is refused, what it
    /// takes is taken, but for scripts (`\p{Greek}`), nesting deeper than 200 and programs of more than 10,000 instructions.
    struct Reader {
        struct Flags {
            var foldsCase = false
            /// `^` and `$` are the ends of lines as well.
            var isMultiline = false
            var dotTakesNewline = false
        }

        /// A part, and what it adds to the bounds of whatever it is part of.
        struct Part {
            var node: Node
            /// The most often that something in it is written out.
            var copies = 1
            /// How deep repetitions lie in each other.
            var height = 0
        }

        static let maxNesting = 200
        static let maxRepetitions = 1000

        let text: [Unicode.Scalar]
        var next = 0
        var flags = Flags()

        init(_ text: String) { self.text = Array(text.unicodeScalars) }

        mutating func read() throws(PatternFault) -> Node {
            let whole = try alternatives(nesting: 0)
            guard next == text.count else {
                throw fault(next, "a ) that closes nothing", "open it, or write \\) for the character itself")
            }
            return whole.node
        }
    }
}

extension IdentityPattern.Reader {
    /// The scalar that many places on.
    func peek(_ offset: Int = 0) -> Unicode.Scalar? { next + offset < text.count ? text[next + offset] : nil }

    /// Passes over `expected`, if that is what comes.
    mutating func skip(_ expected: Unicode.Scalar) -> Bool {
        guard peek() == expected else { return false }
        next += 1
        return true
    }

    func fault(_ start: Int, _ reason: String, _ fix: String) -> PatternFault {
        PatternFault(position: start + 1, reason: reason, fix: fix)
    }

    func quoted(from start: Int) -> String {
        var quoted = ""
        quoted.unicodeScalars.append(contentsOf: text[start..<min(next, text.count)].prefix(40))
        return quoted
    }

    // MARK: - Alternatives and sequences

    private mutating func alternatives(nesting: Int) throws(PatternFault) -> Part {
        var parts = [try sequence(nesting: nesting)]
        while skip("|") { parts.append(try sequence(nesting: nesting)) }
        guard parts.count > 1 else { return parts[0] }
        return Self.together(parts, as: IdentityPattern.Node.either)
    }

    private mutating func sequence(nesting: Int) throws(PatternFault) -> Part {
        var parts: [Part] = []
        // whether the part before this place is repeated: a repetition of that is an error, as in Go
        var isRepeated = false
        while let scalar = peek(), scalar != "|", scalar != ")" {
            let start = next
            if let (min, max) = counts() {
                try repeatLast(of: &parts, min, max, start, again: isRepeated)
                isRepeated = true
                continue
            }
            isRepeated = false
            switch scalar {
            case "(": if let group = try group(nesting: nesting) { parts.append(group) }
            case "\\" where peek(1) == "Q": parts += quotation().map { Part(node: $0) }
            default: parts.append(Part(node: try atom(scalar)))
            }
        }
        return parts.count == 1 ? parts[0] : Self.together(parts, as: IdentityPattern.Node.sequence)
    }

    private static func together(_ parts: [Part], as make: ([IdentityPattern.Node]) -> IdentityPattern.Node) -> Part {
        Part(
            node: make(parts.map(\.node)), copies: parts.map(\.copies).max() ?? 1,
            height: parts.map(\.height).max() ?? 0)
    }

    /// What stands for one scalar or one place.
    private mutating func atom(_ scalar: Unicode.Scalar) throws(PatternFault) -> IdentityPattern.Node {
        switch scalar {
        case "[": return .oneOf(try bracketed())
        case "\\": return try escaped()
        default: break
        }
        next += 1
        switch scalar {
        case "^": return .assertion(flags.isMultiline ? .lineStart : .textStart)
        case "$": return .assertion(flags.isMultiline ? .lineEnd : .textEnd)
        case ".":
            var any = ScalarClass(foldsCase: false)
            if !flags.dotTakesNewline { any.insert(0x0A...0x0A) }
            any.isNegated = true
            any.complete()
            return .oneOf(any)
        default: return literal(scalar.value)
        }
    }

    func literal(_ value: UInt32) -> IdentityPattern.Node {
        guard flags.foldsCase, let scalar = Unicode.Scalar(value), !CaseFolding.others(than: scalar).isEmpty else {
            return .scalar(value)
        }
        var either = ScalarClass(foldsCase: true)
        either.insert(value...value)
        either.complete()
        return .oneOf(either)
    }

    // MARK: - Groups

    /// What is in parentheses; nil if that is flags alone, for the rest of the group around them.
    private mutating func group(nesting: Int) throws(PatternFault) -> Part? {
        let start = next
        guard nesting < Self.maxNesting else {
            throw fault(start, "parentheses nested deeper than \(Self.maxNesting)", "write it flatter")
        }
        next += 1
        let outer = flags
        if skip("?") {
            if peek() == "P" && peek(1) == "<" || peek() == "<" {
                try groupName(start)
            } else if try groupFlags(start) {
                return nil
            }
        }
        let inner = try alternatives(nesting: nesting + 1)
        guard skip(")") else {
            throw fault(start, "a ( that is not closed", "close it, or write \\( for the character itself")
        }
        flags = outer
        return inner
    }

    /// The name of `(?P<name>…)` or `(?<name>…)`: of no use here.
    private mutating func groupName(_ start: Int) throws(PatternFault) {
        _ = skip("P")
        next += 1
        guard peek() != "=", peek() != "!" else { throw lookAround(start) }
        let nameStart = next
        while let scalar = peek(), ScalarClass.word.contains(where: { $0.contains(scalar.value) }) { next += 1 }
        guard next > nameStart, skip(">") else {
            throw fault(
                start, "a group's name is not of letters, digits and _", "write (?P<name>…), or leave the name out")
        }
    }

    /// Flags such as `i-s`, and whether they stand alone.
    private mutating func groupFlags(_ start: Int) throws(PatternFault) -> Bool {
        var (changed, value, isNamed) = (flags, true, false)
        while let scalar = peek() {
            next += 1
            switch scalar {
            case "i": changed.foldsCase = value
            case "m": changed.isMultiline = value
            case "s": changed.dotTakesNewline = value
            // which of several matches is the one does not matter here
            case "U": break
            case "-" where value:
                (value, isNamed) = (false, false)
                continue
            case ":" where value || isNamed, ")" where value || isNamed:
                flags = changed
                return scalar == ")"
            case "=", "!": throw lookAround(start)
            default:
                throw fault(
                    start, "no such group: \(quoted(from: start))", "write (…), (?:…) or flags of i, m, s, U: (?i)")
            }
            isNamed = true
        }
        throw fault(start, "a ( that is not closed", "close it, or write \\( for the character itself")
    }

    private func lookAround(_ start: Int) -> PatternFault {
        fault(start, "look-around, which neither RE2 nor Go has", "write out what may stand there")
    }
}
