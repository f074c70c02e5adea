package import FoundationEssentials

// PostgreSQL counts microseconds since 2000-01-01 00:00 UTC in 64 bits (integer_datetimes, always on since 10).

/// `timestamptz`, exact to the microsecond. `Date.distantPast` and `.distantFuture` stand for `-infinity` and `infinity`.
extension Date: PostgresValue {
    package static var postgresType: PostgresType { .timestamptz }

    /// From 2000-01-01 (PostgreSQL) to 2001-01-01 (Foundation); 2000 was a leap year.
    private static let epochDistance: Int64 = 366 * 86_400 * 1_000_000

    package func encode() throws(PostgresEncodingError) -> [UInt8]? {
        if self == .distantPast { return Int64.min.bigEndianBytes }
        if self == .distantFuture { return Int64.max.bigEndianBytes }
        guard let micros = Int64(exactly: (timeIntervalSinceReferenceDate * 1e6).rounded()) else {
            throw PostgresEncodingError(reason: "a date outside the range of timestamptz")
        }
        let (sum, overflow) = micros.addingReportingOverflow(Self.epochDistance)
        guard !overflow else { throw PostgresEncodingError(reason: "a date outside the range of timestamptz") }
        return sum.bigEndianBytes
    }

    /// Reads `timestamptz` only: a `timestamp` does not say which instant it is.
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        guard let micros = Int64(bigEndian: try cell.bytes(of: .timestamptz, as: "Date")) else {
            throw PostgresDecodingError(expected: "Date", found: "malformed timestamptz")
        }
        switch micros {
        case .min: self = .distantPast
        case .max: self = .distantFuture
        default: self = Date(timeIntervalSinceReferenceDate: Double(micros - Self.epochDistance) / 1e6)
        }
    }
}

/// `interval`, rounded to the microsecond.
extension Duration: PostgresValue {
    package static var postgresType: PostgresType { .interval }

    package func encode() throws(PostgresEncodingError) -> [UInt8]? {
        let (seconds, attoseconds) = components
        let (micros, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (total, overflowAgain) = micros.addingReportingOverflow(
            (attoseconds + attoseconds.signum() * 500_000_000_000) / 1_000_000_000_000)
        guard !overflow, !overflowAgain else {
            throw PostgresEncodingError(reason: "a duration outside the range of interval")
        }
        return total.bigEndianBytes + Int32(0).bigEndianBytes + Int32(0).bigEndianBytes
    }

    /// Days count as 24 hours. An interval with months has no fixed length and is refused.
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        let bytes = try cell.bytes(of: .interval, as: "Duration")
        guard bytes.count == 16, let micros = Int64(bigEndian: bytes.prefix(8)),
            let days = Int32(bigEndian: bytes[8..<12]), Int32(bigEndian: bytes[12..<16]) == 0
        else { throw PostgresDecodingError(expected: "Duration", found: "interval with months") }
        self = .microseconds(micros) + .seconds(Int64(days) * 86_400)
    }
}

extension UUID: PostgresValue {
    package static var postgresType: PostgresType { .uuid }

    package func encode() -> [UInt8]? { withUnsafeBytes(of: uuid) { Array($0) } }

    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        let b = try cell.bytes(of: .uuid, as: "UUID")
        guard b.count == 16 else { throw PostgresDecodingError(expected: "UUID", found: "malformed uuid") }
        self.init(
            uuid: (
                b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]
            ))
    }
}
