/// One SQL statement with its parameters. Interpolated values are bound, never spliced:
///
/// ```swift
/// try await pool.query("SELECT id FROM target WHERE digest = \(digest) AND state <> \(State.gone)")
/// ```
package struct Query: ExpressibleByStringInterpolation, Sendable {
    /// The statement, with `$1`… where values were interpolated.
    package let sql: String
    let parameters: [Parameter]
    /// The SQL between the parameters: one piece more than there are parameters.
    fileprivate let pieces: [String]

    /// A statement without parameters.
    package init(stringLiteral sql: String) {
        self.init(pieces: [sql], parameters: [])
    }

    /// A statement whose interpolated values are its parameters.
    package init(stringInterpolation: StringInterpolation) {
        self.init(pieces: stringInterpolation.pieces, parameters: stringInterpolation.parameters)
    }

    /// SQL that was put together at run time. For names, which cannot be parameters; never for values.
    package init(unsafeSQL sql: String) {
        self.init(pieces: [sql], parameters: [])
    }

    private init(pieces: [String], parameters: [Parameter]) {
        self.pieces = pieces
        self.parameters = parameters
        self.sql = pieces.dropFirst().enumerated().reduce(into: pieces.first ?? "") { sql, piece in
            sql += "$\(piece.offset + 1)\(piece.element)"
        }
    }

    /// A value as it will be sent, or why it cannot be.
    struct Parameter: Sendable {
        let type: PostgresType
        let content: Result<[UInt8]?, PostgresEncodingError>
    }

    /// What a literal with values in it is made into: SQL, and the values as parameters.
    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var pieces: [String] = [""]
        fileprivate var parameters: [Parameter] = []

        /// What the compiler begins with.
        package init(literalCapacity: Int, interpolationCount: Int) {
            parameters.reserveCapacity(interpolationCount)
        }

        /// SQL, as it stands in the literal.
        package mutating func appendLiteral(_ literal: String) {
            pieces[pieces.count - 1] += literal
        }

        /// Binds the value as the next parameter.
        package mutating func appendInterpolation<Value: PostgresValue>(_ value: Value) {
            let content = Result { () throws(PostgresEncodingError) in try value.encode() }
            parameters.append(Parameter(type: Value.postgresType, content: content))
            pieces.append("")
        }

        /// Binds the value, or NULL. Spelled out, because the compiler takes an optional for a mistake in a string.
        package mutating func appendInterpolation<Value: PostgresValue>(_ value: Value?) {
            let content = Result { () throws(PostgresEncodingError) in try value.encode() }
            parameters.append(Parameter(type: Value.postgresType, content: content))
            pieces.append("")
        }

        /// Inserts another query with its parameters, as for a filter that is present only sometimes.
        package mutating func appendInterpolation(_ fragment: Query) {
            pieces[pieces.count - 1] += fragment.pieces.first ?? ""
            pieces += fragment.pieces.dropFirst()
            parameters += fragment.parameters
        }

        /// Splices SQL that stands in the source code. A `StaticString` cannot carry input.
        package mutating func appendInterpolation(unescaped sql: StaticString) {
            pieces[pieces.count - 1] += sql.description
        }
    }
}

/// Shows the statement and hides the values, also from `dump`: queries end up in logs.
extension Query: CustomStringConvertible, CustomReflectable {
    package var description: String { sql }
    package var customMirror: Mirror { Mirror(self, children: ["sql": sql]) }
}

extension Query {
    /// The statement for people, in an error: its first words, on one line. Values are not part of it.
    static func label(of sql: String) -> String {
        let words = sql.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count > 100 ? words.prefix(100) + "…" : words
    }
}

/// A name as PostgreSQL reads it back unchanged. For the few statements that take a name at run time.
package func quotedIdentifier(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}
