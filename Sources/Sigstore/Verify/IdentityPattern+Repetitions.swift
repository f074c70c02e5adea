extension IdentityPattern.Reader {
    /// How often the part before is repeated, if a repetition comes: `*`, `+`, `?` or counts, each also lazy.
    mutating func counts() -> (Int, Int?)? {
        let signs: [Unicode.Scalar: (Int, Int?)] = ["*": (0, nil), "+": (1, nil), "?": (0, 1)]
        let sign = peek().flatMap { signs[$0] }
        if sign != nil { next += 1 }
        guard let counts = sign ?? writtenCounts() else { return nil }
        _ = skip("?")
        return counts
    }

    /// `{n}`, `{n,}` or `{n,m}`. Anything else is no repetition, and the brace a character.
    private mutating func writtenCounts() -> (Int, Int?)? {
        let start = next
        if skip("{"), let min = number() {
            if skip("}") { return (min, min) }
            if skip(",") {
                if skip("}") { return (min, nil) }
                if let max = number(), skip("}") { return (min, max) }
            }
        }
        next = start
        return nil
    }

    private mutating func number() -> Int? {
        let (start, zero) = (next, Unicode.Scalar("0").value)
        var value = 0
        while let digit = peek(), "0"..."9" ~= digit {
            value = min(value * 10 + Int(digit.value - zero), 10 * Self.maxRepetitions)
            next += 1
        }
        // Go takes no leading zeros
        return next == start || next > start + 1 && text[start] == "0" ? nil : value
    }

    func repeatLast(
        of parts: inout [Part], _ min: Int, _ max: Int?, _ start: Int, again: Bool
    ) throws(PatternFault) {
        let sign = quoted(from: start)
        guard !again else {
            throw fault(start, "\(sign) repeats a repetition", "put what is repeated into parentheses: (?:a*)*")
        }
        guard let part = parts.popLast() else {
            throw fault(start, "nothing stands before \(sign)", "write \\\(sign) for the character itself")
        }
        guard min <= max ?? min else { throw fault(start, "\(sign) counts backwards", "write the smaller count first") }
        let copies = max == 0 ? 1 : part.copies * Swift.max(1, max ?? min)
        guard Swift.max(min, copies) <= Self.maxRepetitions else {
            throw fault(
                start, "\(sign) repeats something more than \(Self.maxRepetitions) times, with all that is around it",
                "use smaller counts, or * and +")
        }
        guard part.height < Self.maxNesting else {
            throw fault(start, "repetitions nested deeper than \(Self.maxNesting)", "write it flatter")
        }
        let node: IdentityPattern.Node = max == 0 ? .sequence([]) : .repeated(part.node, min, max)
        parts.append(Part(node: node, copies: copies, height: part.height + 1))
    }
}
