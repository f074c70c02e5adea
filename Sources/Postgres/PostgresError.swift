/// Everything that can go wrong between us and PostgreSQL. No case holds a parameter's value, and none ever will: errors
/// are logged and shown.
package enum PostgresError: Error, Sendable, Equatable {
    /// The server could not be reached or does not take connections now.
    case unavailable(reason: String, sqlState: String? = nil)
    /// The server does not want *us*: wrong password, no such role or database. Repeating does not help.
    case refused(sqlState: String, reason: String)
    /// The server does not prove that it is the one we want, as `sslmode` asks: no TLS, another name, or a certificate that
    /// does not chain to the root or has expired. Repeating does not help.
    case untrusted(reason: String)
    /// The connection broke. Where a statement was under way, the server may have carried it out.
    case connectionLost(reason: String, sqlState: String?, statement: String?)
    /// A statement took longer than it may. `settled` says that the server confirmed it as cancelled, so that it had no
    /// effect; otherwise the connection was closed and the outcome is not known.
    case deadline(limit: Duration, statement: String, settled: Bool)
    /// No connection became free in time.
    case poolExhausted(size: Int, waited: Duration)
    /// COMMIT was sent and its answer never came: the transaction happened, or did not.
    case commitUnknown(reason: String)
    /// The server answered the statement with an error.
    case server(ServerReport)
    /// A result does not hold what the code expects.
    case decoding(column: String, expected: String, found: String)
    /// A parameter (counted from 1) that PostgreSQL cannot represent.
    case unrepresentable(parameter: Int, reason: String)
    /// The configuration cannot be used.
    case configuration(String)
    /// The calling code broke a rule of this module.
    case misuse(String)
    /// The calling task was cancelled while it waited for a connection.
    case cancelled
    /// The pool was closed.
    case closed
    /// Schema and code do not belong together.
    case migration(MigrationFault)
}

extension PostgresError {
    /// A stable name for logs, metrics and answers.
    package var code: String {
        switch self {
        case .unavailable: "postgres.unavailable"
        case .refused: "postgres.refused"
        case .untrusted: "postgres.untrusted"
        case .connectionLost: "postgres.connection_lost"
        case .deadline: "postgres.deadline"
        case .poolExhausted: "postgres.pool_exhausted"
        case .commitUnknown: "postgres.commit_unknown"
        case .server(let report):
            switch report.sqlState.prefix(2) {
            case "23": "postgres.constraint"
            case "40": "postgres.serialization"
            default: "postgres.statement"
            }
        case .decoding: "postgres.decoding"
        case .unrepresentable: "postgres.unrepresentable"
        case .configuration: "postgres.configuration"
        case .misuse: "postgres.misuse"
        case .cancelled: "postgres.cancelled"
        case .closed: "postgres.closed"
        case .migration(let fault): fault.code
        }
    }

    /// The server's SQLSTATE (PostgreSQL Appendix A), where it sent one.
    package var sqlState: String? {
        switch self {
        case .server(let report): report.sqlState
        case .refused(let state, _): state
        case .unavailable(_, let state), .connectionLost(_, let state, _): state
        case .migration(.failed(_, let report, _)): report.sqlState
        default: nil
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    package var isTransient: Bool {
        switch self {
        case .unavailable, .connectionLost, .deadline, .poolExhausted, .commitUnknown: true
        case .server(let report): report.isTransient
        default: false
        }
    }

    /// Whether no connection came of it: the server, or the way to it, has to be mended or waited for, whatever was asked.
    package var isWithoutConnection: Bool {
        switch self {
        case .unavailable, .refused, .untrusted, .poolExhausted, .closed: true
        default: false
        }
    }

    /// Whether the statement may have taken effect although it failed. Repeat only what is idempotent.
    package var answerMayBeLost: Bool {
        switch self {
        case .commitUnknown: true
        case .connectionLost(_, _, let statement): statement != nil
        case .deadline(_, _, let settled): !settled
        default: false
        }
    }
}

extension PostgresError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unavailable(let reason, _): "PostgreSQL is unavailable: \(reason)"
        case .refused(let state, let reason): "PostgreSQL refused the connection (\(state)): \(reason)"
        case .untrusted(let reason): "the server does not prove to be the one that was meant: \(reason)"
        case .connectionLost(let reason, _, nil): "the connection to PostgreSQL was lost: \(reason)"
        case .connectionLost(let reason, _, let statement?):
            "the connection to PostgreSQL was lost during “\(statement)”: \(reason)"
        case .deadline(let limit, let statement, let settled):
            "“\(statement)” exceeded \(limit) and was \(settled ? "cancelled" : "abandoned; its outcome is unknown")"
        case .poolExhausted(let size, let waited): "none of \(size) connections became free within \(waited)"
        case .commitUnknown(let reason): "COMMIT was sent but not answered, its outcome is unknown: \(reason)"
        case .server(let report): report.description
        case .decoding(let column, let expected, let found):
            "column “\(column)” cannot be read as \(expected): it holds \(found)"
        case .unrepresentable(let parameter, let reason): "parameter $\(parameter) is \(reason)"
        case .configuration(let reason): reason
        case .misuse(let reason): reason
        case .cancelled: "cancelled while waiting for a connection"
        case .closed: "the connection pool is closed"
        case .migration(let fault): fault.description
        }
    }
}
