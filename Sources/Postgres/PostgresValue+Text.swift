extension String: PostgresValue {
    /// Left to the server, so that one `String` fits `text`, `jsonb`, `inet` and enum columns alike. Where nothing
    /// around the parameter tells its type, cast it in the SQL.
    package static var postgresType: PostgresType { .inferred }

    package func encode() throws(PostgresEncodingError) -> [UInt8]? {
        // PostgreSQL text cannot hold NUL, and libpq would silently cut a text parameter off there.
        guard !utf8.contains(0) else { throw PostgresEncodingError(reason: "text with a NUL character") }
        return Array(utf8)
    }

    /// Reads text of any kind, `json`, `jsonb`, `numeric`, and the labels of enums.
    package init(_ cell: PostgresCell) throws(PostgresDecodingError) {
        guard let bytes = cell.bytes else { throw PostgresDecodingError(expected: "String", found: "NULL") }
        let text: String? =
            switch cell.type {
            case .text, .varchar, .bpchar, .name, .char, .json, .xml, .unknown: Self.validated(bytes)
            // jsonb_send: a version byte, then text
            case .jsonb where bytes.first == 1: Self.validated(bytes.dropFirst())
            case .numeric: Numeric(bytes)?.text
            case _ where cell.type.isUserDefined: Self.validated(bytes)
            default: nil
            }
        guard let text else { throw PostgresDecodingError(expected: "String", found: "\(cell.type)") }
        self = text
    }

    /// A composite or range of our own would come as binary; a NUL betrays it, as text cannot contain one.
    private static func validated(_ bytes: some Collection<UInt8>) -> String? {
        bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }
}
