import CPostgres

/// An error as the server reported it, reduced to what cannot repeat a value: its DETAIL, CONTEXT and HINT quote rows
/// and parameters, and so does the message of some classes.
package struct ServerReport: Sendable, Equatable {
    /// SQLSTATE, PostgreSQL Appendix A; "XX000" if the server sent none.
    package let sqlState: String
    /// The primary message, or a note that it was withheld.
    package let message: String
    /// What the error names, where it names something.
    package let constraint: String?, table: String?, column: String?
    /// Where in the statement, in characters from 1, for errors of syntax and names.
    package let position: Int?
    /// The statement's first words.
    package let statement: String

    /// Classes that ask for a retry: connection, serialization and deadlock, resources, intervention by the operator,
    /// system errors; and single states that pass: locks, a server that became read-only in a failover, a prepared
    /// statement that a pooler took away.
    package var isTransient: Bool {
        ["08", "40", "53", "57", "58"].contains(sqlState.prefix(2))
            || ["55006", "55P03", "25006", "26000"].contains(sqlState)
    }

    /// Serialization failure and deadlock: the transaction was rolled back and is made to be run again.
    var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }
}

extension ServerReport: CustomStringConvertible {
    package var description: String {
        let names = [("constraint", constraint), ("table", table), ("column", column)]
            .compactMap { kind, name in name.map { ", \(kind) \($0)" } }.joined()
        return "PostgreSQL answered \(sqlState)\(names): \(message) (in “\(statement)”)"
    }
}

extension ServerReport {
    /// Classes whose message is about states, resources and constraints by name, never about values.
    private static let safeClasses: Set<Substring> = ["08", "23", "25", "40", "53", "55", "57", "58"]
    /// Classes whose message quotes the statement. That is ours and static, unless a function put it together. In
    /// neither set: 22, which quotes the offending input, and P0, whatever a function chose to raise.
    private static let quotingClasses: Set<Substring> = ["0A", "26", "28", "3D", "3F", "42", "54", "XX"]

    init(_ result: OpaquePointer, statement: String, parameters: [Query.Parameter]) {
        func field(_ code: Int32) -> String? {
            PQresultErrorField(result, code).map { printable(String(cString: $0)) }
        }
        sqlState = field(pgDiagSQLState) ?? "XX000"
        constraint = field(pgDiagConstraint)
        table = field(pgDiagTable)
        column = field(pgDiagColumn)
        position = field(pgDiagPosition).flatMap { Int($0) }
        self.statement = statement

        let message = field(pgDiagMessage) ?? "no message"
        let isSafe =
            Self.safeClasses.contains(sqlState.prefix(2))
            || (Self.quotingClasses.contains(sqlState.prefix(2)) && field(pgDiagContext) == nil)
        let mayQuote = !parameters.isEmpty && !isSafe
        let withheld = mayQuote || Self.quotes(message, parameters)
        self.message = withheld ? "message withheld, it may repeat a value" : message
    }

    /// Whether the message contains a text parameter, as it would through SQL that a function puts together.
    private static func quotes(_ message: String, _ parameters: [Query.Parameter]) -> Bool {
        parameters.contains { parameter in
            guard parameter.type == .inferred, case .success(let bytes?) = parameter.content, bytes.count >= 4 else {
                return false
            }
            return message.contains(String(decoding: bytes, as: UTF8.self))
        }
    }
}

// The PG_DIAG_* macros are character constants, which Swift imports with a type of their own choosing.
private let pgDiagContext = Int32(UInt8(ascii: "W"))
let pgDiagSQLState = Int32(UInt8(ascii: "C"))
private let pgDiagMessage = Int32(UInt8(ascii: "M"))
private let pgDiagPosition = Int32(UInt8(ascii: "P"))
private let pgDiagTable = Int32(UInt8(ascii: "t"))
private let pgDiagColumn = Int32(UInt8(ascii: "c"))
private let pgDiagConstraint = Int32(UInt8(ascii: "n"))
let pgDiagSeverity = Int32(UInt8(ascii: "V"))
let pgDiagSourceFunction = Int32(UInt8(ascii: "R"))

/// Text from the server, fit for one log line: without control characters, at most 2 kB.
func printable(_ text: String) -> String {
    let flat = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
    return String(String(flat).prefix(2_000)).trimmingSpaces()
}

extension String {
    fileprivate func trimmingSpaces() -> String {
        let start = drop { $0 == " " }
        return String(start.reversed().drop { $0 == " " }.reversed())
    }
}
