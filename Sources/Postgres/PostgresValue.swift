/// A Swift type that travels to and from PostgreSQL as one value, in the binary format of the server's `*_send` and
/// `*_recv` functions (text where the type is left to the server).
package protocol PostgresValue: Sendable {
    /// What a parameter of this Swift type is declared as. `Int` is `int8`: where a function wants a smaller integer,
    /// pass `Int32` or cast in the SQL.
    static var postgresType: PostgresType { get }

    /// The value in the format of ``postgresType``; nil is NULL.
    func encode() throws(PostgresEncodingError) -> [UInt8]?

    /// Reads one value of a result.
    init(_ cell: PostgresCell) throws(PostgresDecodingError)
}

/// One value of a result, as it came.
package struct PostgresCell: Sendable {
    /// The column's type.
    package let type: PostgresType
    /// The value in the binary format of its type; nil is NULL.
    package let bytes: [UInt8]?

    /// The bytes of a value that may not be NULL and must be of one of these types.
    package func bytes(of accepted: PostgresType..., as expected: String) throws(PostgresDecodingError) -> [UInt8] {
        guard let bytes else { throw PostgresDecodingError(expected: expected, found: "NULL") }
        guard accepted.contains(type) else { throw PostgresDecodingError(expected: expected, found: "\(type)") }
        return bytes
    }
}

/// A value that PostgreSQL has no representation for; says why without repeating it.
package struct PostgresEncodingError: Error, Sendable, Equatable {
    /// Why, as in "a date that is not a number".
    package let reason: String
    /// An error with this reason.
    package init(reason: String) { self.reason = reason }
}

/// What was asked for and what the column held; never the value itself.
package struct PostgresDecodingError: Error, Sendable, Equatable {
    /// The Swift type.
    package let expected: String
    /// The column's type, NULL, or what is wrong with the value.
    package let found: String
    /// An error about these two.
    package init(expected: String, found: String) {
        self.expected = expected
        self.found = found
    }
}

/// `nil` is NULL.
extension Optional: PostgresValue where Wrapped: PostgresValue {
    package static var postgresType: PostgresType { Wrapped.postgresType }

    package func encode() throws(PostgresEncodingError) -> [UInt8]? {
        guard let self else { return nil }
        return try self.encode()
    }

    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        self = cell.bytes == nil ? nil : try Wrapped(cell)
    }
}

/// An enum over integers or text travels as its raw value: `enum Lane: Int16, PostgresValue`.
extension PostgresValue where Self: RawRepresentable, RawValue: PostgresValue {
    package static var postgresType: PostgresType { RawValue.postgresType }

    package func encode() throws(PostgresEncodingError) -> [UInt8]? { try rawValue.encode() }

    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        guard let value = Self(rawValue: try RawValue(cell)) else {
            throw PostgresDecodingError(expected: "\(Self.self)", found: "a raw value that is none of its cases")
        }
        self = value
    }
}
