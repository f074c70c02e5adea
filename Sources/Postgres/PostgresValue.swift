/// A Swift type that travels to and from PostgreSQL as one value, in the binary format of the server's `*_send` and
/// `*_recv` functions (text where the type is left to the server).
public protocol PostgresValue: Sendable {
    /// What a parameter of this Swift type is declared as. `Int` is `int8`: where a function wants a smaller integer,
    /// pass `Int32` or cast in the SQL.
    static var postgresType: PostgresType { get }

    /// The value in the format of ``postgresType``; nil is NULL.
    func encode() throws(PostgresEncodingError) -> [UInt8]?

    /// Reads one value of a result.
    init(_ cell: PostgresCell) throws(PostgresDecodingError)
}

/// One value of a result, as it came.
public struct PostgresCell: Sendable {
    /// The column's type.
    public let type: PostgresType
    /// The value in the binary format of its type; nil is NULL.
    public let bytes: [UInt8]?

    /// The bytes of a value that may not be NULL and must be of one of these types.
    public func bytes(of accepted: PostgresType..., as expected: String) throws(PostgresDecodingError) -> [UInt8] {
        guard let bytes else { throw PostgresDecodingError(expected: expected, found: "NULL") }
        guard accepted.contains(type) else { throw PostgresDecodingError(expected: expected, found: "\(type)") }
        return bytes
    }
}

/// A value that PostgreSQL has no representation for; says why without repeating it.
public struct PostgresEncodingError: Error, Sendable, Equatable {
    /// Why, as in "a date that is not a number".
    public let reason: String
    /// An error with this reason.
    public init(reason: String) { self.reason = reason }
}

/// What was asked for and what the column held; never the value itself.
public struct PostgresDecodingError: Error, Sendable, Equatable {
    /// The Swift type.
    public let expected: String
    /// The column's type, NULL, or what is wrong with the value.
    public let found: String
    /// An error about these two.
    public init(expected: String, found: String) {
        self.expected = expected
        self.found = found
    }
}

/// `nil` is NULL.
extension Optional: PostgresValue where Wrapped: PostgresValue {
    public static var postgresType: PostgresType { Wrapped.postgresType }

    public func encode() throws(PostgresEncodingError) -> [UInt8]? {
        guard let self else { return nil }
        return try self.encode()
    }

    public init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        self = cell.bytes == nil ? nil : try Wrapped(cell)
    }
}

/// An enum over integers or text travels as its raw value: `enum Lane: Int16, PostgresValue`.
extension PostgresValue where Self: RawRepresentable, RawValue: PostgresValue {
    public static var postgresType: PostgresType { RawValue.postgresType }

    public func encode() throws(PostgresEncodingError) -> [UInt8]? { try rawValue.encode() }

    public init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        guard let value = Self(rawValue: try RawValue(cell)) else {
            throw PostgresDecodingError(expected: "\(Self.self)", found: "a raw value that is none of its cases")
        }
        self = value
    }
}
