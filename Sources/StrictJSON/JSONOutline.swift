/// What a JSON value is (RFC 8259 §3).
public enum JSONKind: Sendable, Equatable {
    case null, bool, number, string, array, object
}

/// A whole document, checked, of which only the outline is kept: which bytes hold which member.
///
/// For documents that are signed as they are and may be tens of megabytes: no tree is built, and beside the input only the
/// names of the objects that are open are held. Strict as ``JSONValue/init(parsing:limits:)`` is: what that refuses, this
/// refuses. From the outline one descends where one has to: into ``members(of:)``, along ``elements(of:_:)``, and with
/// ``value(of:)`` into the values that are small.
public struct JSONOutline: Sendable {
    /// A value of the document and the bytes that it takes, without the space around it.
    public struct Element: Sendable, Equatable {
        /// What it is.
        public let kind: JSONKind
        /// Its bytes, as offsets into ``bytes``.
        public let range: Range<Int>
    }

    /// A member of an object.
    public struct Member: Sendable, Equatable {
        /// Its name, with escapes undone.
        public let name: String
        /// Its value.
        public let value: Element
    }

    /// The document.
    public let bytes: [UInt8]
    /// The value that the document is.
    public let root: Element
    /// The members of the root, in their order; empty if it is no object.
    public let members: [Member]

    private let limits: JSONLimits

    /// Most members of one object: their names are held to see that none repeats.
    public static let maxMembers = 1 << 18

    /// Reads the whole document once.
    /// - Throws: a ``JSONError``; it quotes nothing of the document.
    public init(scanning bytes: [UInt8], limits: JSONLimits = .init()) throws(JSONError) {
        var scan = OutlineScan(scanner: try JSONScanner(bytes, 0..<bytes.count, limits))
        var members: [Member] = []
        root = try scan.value(depth: 0) { members.append($0) }
        try scan.scanner.finish()
        self.members = members
        self.bytes = bytes
        self.limits = limits
    }

    /// The value of a member of the root, its name compared byte by byte as in ``JSONObject``.
    public subscript(name: String) -> Element? { members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value }

    /// The members of an object of this document; empty for every other value.
    public func members(of object: Element) throws(JSONError) -> [Member] {
        guard object.kind == .object else { return [] }
        var members: [Member] = []
        var scan = OutlineScan(scanner: try JSONScanner(bytes, object.range, limits))
        _ = try scan.value(depth: 0) { members.append($0) }
        return members
    }

    /// Goes along the elements of an array of this document; calls nothing for every other value.
    /// - Throws: what `body` throws.
    public func elements(of array: Element, _ body: (Element) throws -> Void) throws {
        guard array.kind == .array else { return }
        var scan = OutlineScan(scanner: try JSONScanner(bytes, array.range, limits))
        try scan.elements(depth: 0, body)
    }

    /// The tree of a value of this document. For values that are known to be small.
    public func value(of element: Element) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: bytes, in: element.range, limits: limits)
    }

    /// The text of a string of this document; nil for every other value.
    public func text(of element: Element) throws(JSONError) -> String? {
        guard element.kind == .string else { return nil }
        var scanner = try JSONScanner(bytes, element.range, limits)
        return try scanner.string()
    }
}

/// Reads past values, and tells the members or elements of the outermost one.
private struct OutlineScan {
    var scanner: JSONScanner

    mutating func value(depth: Int, _ member: ((JSONOutline.Member) -> Void)? = nil) throws(JSONError)
        -> JSONOutline.Element
    {
        let kind = try scanner.kind(depth: depth)
        let start = scanner.position
        switch kind {
        case .object: try object(depth: depth, member)
        case .array: try array(depth: depth)
        case .string: try scanner.skipString()
        case .bool: _ = try scanner.boolean()
        case .null: try scanner.literal("null")
        case .number: _ = try scanner.number()
        }
        return JSONOutline.Element(kind: kind, range: start..<scanner.position)
    }

    private mutating func object(depth: Int, _ member: ((JSONOutline.Member) -> Void)?) throws(JSONError) {
        // String.== as in the tree: canonically equivalent names are refused, too
        var seen: Set<String> = []
        try scanner.open(UInt8(ascii: "{"))
        while try scanner.hasNext(isFirst: seen.isEmpty, before: UInt8(ascii: "}")) {
            let name = try scanner.name()
            guard seen.insert(name).inserted else { throw scanner.error("a member occurs twice") }
            guard seen.count <= JSONOutline.maxMembers else {
                throw scanner.error("an object of more than \(JSONOutline.maxMembers) members")
            }
            try scanner.colon()
            let value = try value(depth: depth + 1)
            member?(JSONOutline.Member(name: name, value: value))
        }
    }

    private mutating func array(depth: Int) throws(JSONError) {
        var isFirst = true
        try scanner.open(UInt8(ascii: "["))
        while try scanner.hasNext(isFirst: isFirst, before: UInt8(ascii: "]")) {
            isFirst = false
            _ = try value(depth: depth + 1)
        }
    }

    mutating func elements(depth: Int, _ body: (JSONOutline.Element) throws -> Void) throws {
        _ = try scanner.kind(depth: depth)
        var isFirst = true
        try scanner.open(UInt8(ascii: "["))
        while try scanner.hasNext(isFirst: isFirst, before: UInt8(ascii: "]")) {
            isFirst = false
            try body(try value(depth: depth + 1))
        }
    }
}
