/// One JSON value, kept as it was written: members in their order, numbers as their text.
///
/// Signed documents are compared and hashed byte by byte, and indexes of others are rewritten with what we do not
/// understand in them. So a value that is read and written again must not be reordered nor have its numbers rounded;
/// that is why this is not a dictionary of doubles.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The number's text as it stood in the document (RFC 8259 §6), never rounded.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// A whole number.
    public static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

    /// The value of a member, if this is an object that has it.
    public subscript(name: String) -> JSONValue? { if case .object(let object) = self { object[name] } else { nil } }

    /// The text, if this is a string.
    public var text: String? { if case .string(let text) = self { text } else { nil } }

    /// The number, if this is a whole one without fraction or exponent that fits 64 bits.
    public var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }
}

/// The members of a JSON object, in document order and without duplicates.
public struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// A name and its value.
    public struct Member: Sendable, Equatable {
        /// Its name, with escapes undone.
        public let name: String
        public fileprivate(set) var value: JSONValue

        /// A member of an object.
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// All members, in order.
    public private(set) var members: [Member]

    /// An object of these members; the caller sees to it that no name repeats.
    public init(_ members: [Member] = []) { self.members = members }

    /// An object of these members in the order written; of a name written twice the last value counts.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self.members = []
        for (name, value) in members { self[name] = value }
    }

    /// The value of that name, compared byte by byte: `String.==` would also equate canonically equivalent text, and
    /// so find `K` under the Kelvin sign. A new name goes to the end, a known one keeps its place; `nil` removes it.
    public subscript(name: String) -> JSONValue? {
        get { position(of: name).map { members[$0].value } }
        set {
            switch (position(of: name), newValue) {
            case (let position?, let value?): members[position].value = value
            case (let position?, nil): members.remove(at: position)
            case (nil, let value?): members.append(Member(name, value))
            case (nil, nil): break
            }
        }
    }

    private func position(of name: String) -> Int? { members.firstIndex { $0.name.utf8.elementsEqual(name.utf8) } }
}
