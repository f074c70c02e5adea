// Integers, floating point and booleans. PostgreSQL sends all of them big-endian, in their own width.

extension Int: PostgresValue {
    package static var postgresType: PostgresType { .int8 }
    package func encode() -> [UInt8]? { Int64(self).bigEndianBytes }
    /// Reads any integer column and a `numeric` without a fraction (`sum` of a `bigint` is one).
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) { self = try cell.integer() }
}

extension Int64: PostgresValue {
    package static var postgresType: PostgresType { .int8 }
    package func encode() -> [UInt8]? { bigEndianBytes }
    /// Reads any integer column and a `numeric` without a fraction.
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) { self = try cell.integer() }
}

extension Int32: PostgresValue {
    package static var postgresType: PostgresType { .int4 }
    package func encode() -> [UInt8]? { bigEndianBytes }
    /// Reads any integer column whose value fits.
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) { self = try cell.integer() }
}

extension Int16: PostgresValue {
    package static var postgresType: PostgresType { .int2 }
    package func encode() -> [UInt8]? { bigEndianBytes }
    /// Reads any integer column whose value fits.
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) { self = try cell.integer() }
}

extension Bool: PostgresValue {
    package static var postgresType: PostgresType { .bool }
    package func encode() -> [UInt8]? { [self ? 1 : 0] }
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        self = try cell.bytes(of: .bool, as: "Bool") == [1]
    }
}

extension Double: PostgresValue {
    package static var postgresType: PostgresType { .float8 }
    package func encode() -> [UInt8]? { bitPattern.bigEndianBytes }
    /// Reads `float8`, `float4` and, rounded to the nearest, `numeric` (`extract(epoch from …)` is one).
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        let bytes = try cell.bytes(of: .float8, .float4, .numeric, as: "Double")
        let value: Double? =
            switch cell.type {
            case .float8: UInt64(bigEndian: bytes).map(Double.init(bitPattern:))
            case .float4: UInt32(bigEndian: bytes).map { Double(Float(bitPattern: $0)) }
            default: Numeric(bytes).flatMap { Double($0.text) }
            }
        guard let value else { throw PostgresDecodingError(expected: "Double", found: "malformed \(cell.type)") }
        self = value
    }
}

extension PostgresCell {
    fileprivate func integer<Number: FixedWidthInteger>() throws(PostgresDecodingError) -> Number {
        let expected = "\(Number.self)"
        let bytes = try bytes(of: .int8, .int4, .int2, .oid, .xid8, .numeric, as: expected)
        let value: Number? =
            switch type {
            case .int8: Int64(bigEndian: bytes).flatMap(Number.init(exactly:))
            case .int4: Int32(bigEndian: bytes).flatMap(Number.init(exactly:))
            case .int2: Int16(bigEndian: bytes).flatMap(Number.init(exactly:))
            case .oid: UInt32(bigEndian: bytes).flatMap(Number.init(exactly:))
            case .xid8: UInt64(bigEndian: bytes).flatMap(Number.init(exactly:))
            default: Numeric(bytes).flatMap(\.integer).flatMap(Number.init(exactly:))
            }
        guard let value else {
            throw PostgresDecodingError(expected: expected, found: "\(type) out of its range")
        }
        return value
    }
}

extension FixedWidthInteger {
    /// The integer in network byte order.
    var bigEndianBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }

    /// Exactly as many bytes as the integer is wide, in network byte order.
    init?(bigEndian bytes: some Collection<UInt8>) {
        guard bytes.count == Self.bitWidth / 8 else { return nil }
        self = bytes.reduce(0) { ($0 << 8) | Self(truncatingIfNeeded: $1) }
    }
}
