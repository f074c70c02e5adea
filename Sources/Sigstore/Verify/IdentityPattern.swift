import OpenSSL

/// A regular expression of Go's `regexp` (RE2, https://github.com/google/re2/wiki/Syntax), as cosign reads those of its
/// `-regexp` options.
///
/// The names it is held against are chosen by strangers, and as long as a certificate may be (64 KiB). So nothing
/// backtracks: all ways through the expression are followed at once, one scalar after the other (Thompson's simulation).
/// Each instruction is looked at once a scalar at most.
struct IdentityPattern: Sendable {
    enum Instruction: Sendable {
        /// The next scalar is this one.
        case scalar(UInt32)
        /// The next scalar is of the class with this index.
        case oneOf(Int)
        case assertion(Assertion)
        case either(Int, Int)
        case jump(Int)
        case found
    }

    /// What takes no scalar: a condition on the place between two.
    enum Assertion: Sendable { case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary }

    /// An expression as it was read.
    indirect enum Node {
        case scalar(UInt32)
        case oneOf(ScalarClass)
        case assertion(Assertion)
        case sequence([Node])
        case either([Node])
        case repeated(Node, Int, Int?)
    }

    static let maxInstructions = 10_000

    private(set) var program: [Instruction] = []
    private var classes: [ScalarClass] = []

    /// Reads an expression.
    init(_ text: String) throws(PatternFault) {
        var reader = Reader(text)
        try write(reader.read())
        try append(.found)
    }

    private static let known = RecentlyUsed<IdentityPattern>(capacity: 64)

    /// The expression, read once: its caller verifies many signatures with it.
    static func of(_ text: String) throws(PatternFault) -> IdentityPattern {
        let bytes = Array(text.utf8)
        if let pattern = known.value(for: bytes) { return pattern }
        let pattern = try IdentityPattern(text)
        known.remember(pattern, for: bytes)
        return pattern
    }

    /// Whether it is found anywhere in `text`, and after how many instructions that is known.
    func search(_ text: String) -> (isFound: Bool, steps: Int) {
        var (steps, position) = (0, 0)
        var seen = [Int](repeating: -1, count: program.count)
        var (open, arrived): ([Int], [Int]) = ([], [])
        var scalars = text.unicodeScalars.makeIterator()
        var (before, after) = (Unicode.Scalar?.none, scalars.next())
        while true {
            swap(&open, &arrived)
            // not anchored: it may begin at each scalar
            open.append(0)
            while let next = open.popLast() {
                guard seen[next] != position else { continue }
                seen[next] = position
                steps += 1
                switch program[next] {
                case .found: return (true, steps)
                case .jump(let target): open.append(target)
                case .either(let first, let second):
                    open.append(second)
                    open.append(first)
                case .assertion(let assertion): if assertion.holds(between: before, after) { open.append(next + 1) }
                case .scalar(let value): if after?.value == value { arrived.append(next + 1) }
                case .oneOf(let index):
                    if let after, classes[index].contains(after) { arrived.append(next + 1) }
                }
            }
            guard after != nil else { return (false, steps) }
            (before, after) = (after, scalars.next())
            position += 1
        }
    }
}

// MARK: - Anchors

extension IdentityPattern {
    /// Whether only whole texts match: every way through it begins at the text's start and ends at its end.
    var isAnchored: Bool {
        let taking = program.indices.filter { program[$0].takesScalar }
        let begins = reached(from: [0], without: .textStart).allSatisfy {
            !program[$0].takesScalar && !program[$0].isEnd
        }
        let ends = reached(from: [0] + taking.map { $0 + 1 }, without: .textEnd).allSatisfy { !program[$0].isEnd }
        return begins && ends
    }

    /// The instructions to which one comes without taking a scalar and without passing that assertion.
    private func reached(from starts: [Int], without barrier: Assertion) -> Set<Int> {
        var (open, reached) = (starts, Set<Int>())
        while let next = open.popLast() {
            guard reached.insert(next).inserted else { continue }
            switch program[next] {
            case .jump(let target): open.append(target)
            case .either(let first, let second): open += [first, second]
            case .assertion(let assertion): if assertion != barrier { open.append(next + 1) }
            case .scalar, .oneOf, .found: break
            }
        }
        return reached
    }
}

extension IdentityPattern.Instruction {
    fileprivate var takesScalar: Bool {
        switch self {
        case .scalar, .oneOf: true
        default: false
        }
    }

    fileprivate var isEnd: Bool { if case .found = self { true } else { false } }
}

extension IdentityPattern.Assertion {
    func holds(between before: Unicode.Scalar?, _ after: Unicode.Scalar?) -> Bool {
        switch self {
        case .textStart: before == nil
        case .textEnd: after == nil
        case .lineStart: before == nil || before == "\n"
        case .lineEnd: after == nil || after == "\n"
        case .wordBoundary: Self.isWord(before) != Self.isWord(after)
        case .noWordBoundary: Self.isWord(before) == Self.isWord(after)
        }
    }

    private static func isWord(_ scalar: Unicode.Scalar?) -> Bool {
        guard let scalar else { return false }
        return ScalarClass.word.contains { $0.contains(scalar.value) }
    }
}

// MARK: - Writing the program

extension IdentityPattern {
    private mutating func write(_ node: Node) throws(PatternFault) {
        switch node {
        case .scalar(let value): try append(.scalar(value))
        case .oneOf(let scalars):
            try append(.oneOf(classes.count))
            classes.append(scalars)
        case .assertion(let assertion): try append(.assertion(assertion))
        case .sequence(let nodes): for node in nodes { try write(node) }
        case .either(let nodes): try write(alternatives: nodes)
        case .repeated(let node, let min, let max): try write(node, from: min, to: max)
        }
    }

    private mutating func write(alternatives nodes: [Node]) throws(PatternFault) {
        var jumps: [Int] = []
        for (index, node) in nodes.enumerated() {
            guard index < nodes.count - 1 else {
                try write(node)
                break
            }
            let fork = try append(.either(0, 0))
            try write(node)
            jumps.append(try append(.jump(0)))
            program[fork] = .either(fork + 1, program.count)
        }
        for jump in jumps { program[jump] = .jump(program.count) }
    }

    /// Counts are written out, as many copies as they say.
    private mutating func write(_ node: Node, from min: Int, to max: Int?) throws(PatternFault) {
        var start = program.count
        for _ in 0..<min {
            start = program.count
            try write(node)
            // nothing, however often
            guard program.count > start else { return }
        }
        guard let max else {
            if min > 0 {
                try append(.either(start, program.count + 1))
            } else {
                let fork = try append(.either(0, 0))
                try write(node)
                try append(.jump(fork))
                program[fork] = .either(fork + 1, program.count)
            }
            return
        }
        var forks: [Int] = []
        for _ in min..<max {
            forks.append(try append(.either(0, 0)))
            try write(node)
        }
        for fork in forks { program[fork] = .either(fork + 1, program.count) }
    }

    @discardableResult
    private mutating func append(_ instruction: Instruction) throws(PatternFault) -> Int {
        guard program.count < Self.maxInstructions else {
            throw PatternFault(
                position: nil, reason: "more than \(Self.maxInstructions) steps once its repetitions are written out",
                fix: "use smaller counts, or * and +")
        }
        program.append(instruction)
        return program.count - 1
    }
}
