package import FoundationEssentials

/// A Swift type of which an array may be one PostgreSQL value. `UInt8` is the exception that proves useful: an array of
/// bytes is a `bytea`, not an array of numbers.
package protocol PostgresArrayElement: Sendable {
    /// What a parameter of the whole array is declared as.
    static var postgresArrayType: PostgresType { get }
    /// The whole array in the format of ``postgresArrayType``.
    static func encodeArray(_ values: [Self]) throws(PostgresEncodingError) -> [UInt8]
    /// Reads a whole array.
    static func decodeArray(_ cell: PostgresCell) throws(PostgresDecodingError) -> [Self]
}

extension Array: PostgresValue where Element: PostgresArrayElement {
    package static var postgresType: PostgresType { Element.postgresArrayType }
    package func encode() throws(PostgresEncodingError) -> [UInt8]? { try Element.encodeArray(self) }
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) { self = try Element.decodeArray(cell) }
}

/// `bytea`, byte for byte.
extension UInt8: PostgresArrayElement {
    package static var postgresArrayType: PostgresType { .bytea }
    package static func encodeArray(_ values: [UInt8]) -> [UInt8] { values }
    package static func decodeArray(_ cell: PostgresCell) throws(PostgresDecodingError) -> [UInt8] {
        try cell.bytes(of: .bytea, as: "[UInt8]")
    }
}

extension Int: PostgresArrayElement {}
extension Int64: PostgresArrayElement {}
extension Int32: PostgresArrayElement {}
extension Int16: PostgresArrayElement {}
extension Bool: PostgresArrayElement {}
extension Double: PostgresArrayElement {}
extension String: PostgresArrayElement {}
extension Date: PostgresArrayElement {}
extension Duration: PostgresArrayElement {}
extension UUID: PostgresArrayElement {}
extension Array: PostgresArrayElement where Element == UInt8 {}
extension Optional: PostgresArrayElement where Wrapped: PostgresArrayElement & PostgresValue {}

/// The wire form of one-dimensional arrays (`array_send`): dimensions, has-null flag, element type, length and lower
/// bound, then each element with its length, -1 for NULL.
extension PostgresArrayElement where Self: PostgresValue {
    /// In an array the server cannot infer: text is `text[]`, to be cast in the SQL where it should be something else.
    private static var elementType: PostgresType { postgresType == .inferred ? .text : postgresType }

    package static var postgresArrayType: PostgresType { elementType.array ?? .inferred }

    package static func encodeArray(_ values: [Self]) throws(PostgresEncodingError) -> [UInt8] {
        var elements: [UInt8] = []
        var hasNull: Int32 = 0
        for value in values {
            if let bytes = try value.encode() {
                elements += Int32(bytes.count).bigEndianBytes + bytes
            } else {
                hasNull = 1
                elements += Int32(-1).bigEndianBytes
            }
        }
        let dimensions: Int32 = values.isEmpty ? 0 : 1
        let header = dimensions.bigEndianBytes + hasNull.bigEndianBytes + elementType.rawValue.bigEndianBytes
        guard dimensions == 1 else { return header }
        return header + Int32(values.count).bigEndianBytes + Int32(1).bigEndianBytes + elements
    }

    package static func decodeArray(_ cell: PostgresCell) throws(PostgresDecodingError) -> [Self] {
        let expected = "[\(Self.self)]"
        guard let bytes = cell.bytes else { throw PostgresDecodingError(expected: expected, found: "NULL") }
        let malformed = PostgresDecodingError(expected: expected, found: "\(cell.type), not a flat array")
        // Every array type's header has its element type; a value that is no array fails one of these checks.
        var reader = ByteReader(bytes)
        guard let dimensions = reader.int32(), reader.int32() != nil, let element = reader.uint32() else {
            throw malformed
        }
        if dimensions == 0, reader.isAtEnd { return [] }
        guard dimensions == 1, let count = reader.int32(), reader.int32() != nil,
            count >= 0, count <= reader.remaining / 4
        else { throw malformed }

        var values: [Self] = []
        values.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let length = reader.int32(), length >= -1 else { throw malformed }
            let content = length == -1 ? nil : reader.bytes(Int(length))
            guard length == -1 || content != nil else { throw malformed }
            values.append(try Self(PostgresCell(type: PostgresType(rawValue: element), bytes: content)))
        }
        guard reader.isAtEnd else { throw malformed }
        return values
    }
}

/// Reads forward; nil at the first byte that is missing.
private struct ByteReader {
    private let source: [UInt8]
    private var position = 0

    init(_ source: [UInt8]) { self.source = source }

    var remaining: Int { source.count - position }
    var isAtEnd: Bool { remaining == 0 }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count <= remaining else { return nil }
        defer { position += count }
        return Array(source[position..<position + count])
    }

    mutating func int32() -> Int32? { bytes(4).flatMap { Int32(bigEndian: $0) } }
    mutating func uint32() -> UInt32? { bytes(4).flatMap { UInt32(bigEndian: $0) } }
}
