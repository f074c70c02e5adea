/// Bounds for a document from outside.
public struct JSONLimits: Sendable {
    /// Longest document read, in bytes.
    public var maxBytes: Int
    /// Deepest nesting of arrays and objects.
    public var maxDepth: Int
    /// The most values of a tree. A value takes up to thirty times the bytes that it is written in.
    public var maxValues: Int

    /// Bounds for a document from outside; the defaults fit every manifest, event and Sigstore answer.
    public init(maxBytes: Int = 8 << 20, maxDepth: Int = 32, maxValues: Int = .max) {
        self.maxBytes = maxBytes
        self.maxDepth = maxDepth
        self.maxValues = maxValues
    }

    /// The same for a document of at most so many values.
    public func holding(atMost values: Int) -> JSONLimits {
        JSONLimits(maxBytes: maxBytes, maxDepth: maxDepth, maxValues: min(values, maxValues))
    }
}

extension JSONValue {
    /// Reads one RFC 8259 document.
    ///
    /// Refuses what lenient parsers disagree on, because two readers that understand one signed document differently
    /// are an attack: repeated member names (RFC 8259 §4 leaves the choice to the parser), invalid UTF-8, lone
    /// surrogates, trailing bytes, nesting beyond the limit.
    /// - Throws: the first ``JSONError``; it quotes nothing of the document.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .init()) throws(JSONError) {
        self = try JSONValue(parsing: bytes, in: 0..<bytes.count, limits: limits)
    }

    /// Reads the document that those bytes of a greater one are, as ``init(parsing:limits:)`` does, without copying them.
    /// - Throws: the first ``JSONError``; its offset counts from the beginning of `bytes`.
    public init(parsing bytes: [UInt8], in range: Range<Int>, limits: JSONLimits = .init()) throws(JSONError) {
        var parser = JSONParser(scanner: try JSONScanner(bytes, range, limits), limits.maxValues)
        self = try parser.document()
    }
}

/// Why a document is not JSON that we read.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Byte offset at which reading stopped.
    public let offset: Int
    /// What was wrong there.
    public let reason: String
    /// Whether it may well be JSON, and has more values than are read (``JSONLimits/maxValues``).
    public internal(set) var isOfTooManyValues = false

    public var description: String { "\(reason) (at byte \(offset))" }
}

private struct JSONParser {
    private var scanner: JSONScanner
    private let maxValues: Int
    private var values = 0

    init(scanner: JSONScanner, _ maxValues: Int) {
        self.scanner = scanner
        self.maxValues = maxValues
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        try scanner.finish()
        return value
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        let kind = try scanner.kind(depth: depth)
        values += 1
        guard values <= maxValues else { throw scanner.error("more than \(maxValues) values", isOfTooManyValues: true) }
        switch kind {
        case .object: return .object(try object(depth: depth))
        case .array: return .array(try array(depth: depth))
        case .string: return .string(try scanner.string())
        case .bool:
            return .bool(try scanner.boolean())
        case .null:
            try scanner.literal("null")
            return .null
        case .number: return .number(String(decoding: scanner.bytes[try scanner.number()], as: UTF8.self))
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        var members: [JSONObject.Member] = []
        // String.== makes this refuse canonically equivalent names too: readers differ on those as well
        var seen: Set<String> = []
        try scanner.open(UInt8(ascii: "{"))
        while try scanner.hasNext(isFirst: members.isEmpty, before: UInt8(ascii: "}")) {
            let name = try scanner.name()
            guard seen.insert(name).inserted else { throw scanner.error("a member occurs twice") }
            try scanner.colon()
            members.append(.init(name, try value(depth: depth + 1)))
        }
        return JSONObject(members)
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        var elements: [JSONValue] = []
        try scanner.open(UInt8(ascii: "["))
        while try scanner.hasNext(isFirst: elements.isEmpty, before: UInt8(ascii: "]")) {
            elements.append(try value(depth: depth + 1))
        }
        return elements
    }
}
