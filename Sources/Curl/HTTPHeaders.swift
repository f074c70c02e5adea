/// Header fields in the order they stand on the wire: names compare without case, repeats are kept (RFC 9110 §5).
public struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral, Sequence {
    private var fields: [(name: String, value: String)]

    /// Fields in the order given; a repeated name is kept as a repeated field.
    public init(_ fields: [(String, String)] = []) {
        self.fields = fields.map { (name: $0.0, value: $0.1) }
    }

    /// Fields in the order written; a repeated name is kept as a repeated field.
    public init(dictionaryLiteral elements: (String, String)...) {
        self.init(elements)
    }

    /// The first value of `name`, or nil. Setting replaces every field of that name; setting nil removes them.
    public subscript(name: String) -> String? {
        get { fields.first { sameName($0.name, name) }?.value }
        set {
            let first = fields.firstIndex { sameName($0.name, name) }
            fields.removeAll { sameName($0.name, name) }
            guard let newValue else { return }
            fields.insert((name: name, value: newValue), at: first ?? fields.endIndex)
        }
    }

    /// Every value of `name`, in order, one for each field; a value that is itself a comma list is not split.
    public func values(of name: String) -> [String] {
        fields.filter { sameName($0.name, name) }.map(\.value)
    }

    /// Appends a field, also where the name is already present.
    public mutating func add(_ name: String, _ value: String) {
        fields.append((name: name, value: value))
    }

    /// The fields as (name, value), in order.
    public func makeIterator() -> some IteratorProtocol<(name: String, value: String)> {
        fields.makeIterator()
    }

    /// Equal when names (without case) and values agree field by field, in order.
    public static func == (left: HTTPHeaders, right: HTTPHeaders) -> Bool {
        left.fields.count == right.fields.count
            && zip(left.fields, right.fields).allSatisfy { sameName($0.name, $1.name) && $0.value == $1.value }
    }

    /// Joins `more` to the last field's value with one space: RFC 9112 §5.2 asks a client to read an obsolete folded
    /// line so. False when there is no field to continue.
    mutating func continueLast(with more: String) -> Bool {
        guard let last = fields.indices.last else { return false }
        fields[last].value += more.isEmpty ? "" : " " + more
        return true
    }
}

/// Header names are ASCII (RFC 9110 §5.1), so folding A–Z is enough, and cheaper than Unicode lowercasing.
private func sameName(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8) { asciiLowercase($0) == asciiLowercase($1) }
}

private func asciiLowercase(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
