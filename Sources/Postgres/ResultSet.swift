import CPostgres

/// Owner of a `PGresult`, which libpq does not change once it has handed it out: so it may be read from any thread.
final class ResultSet: @unchecked Sendable {
    private let raw: OpaquePointer

    init(owning raw: OpaquePointer) { self.raw = raw }
    deinit { PQclear(raw) }

    var status: ExecStatusType { PQresultStatus(raw) }
    var rows: [Row] { (0..<Int(PQntuples(raw))).map { Row(result: self, index: Int32($0)) } }

    /// The command's tag: "COMMIT", "ROLLBACK", "INSERT 0 3".
    var commandTag: String { PQcmdStatus(raw).map { String(cString: $0) } ?? "" }
    /// How many rows the command touched; 0 for commands that do not say.
    var affected: Int { PQcmdTuples(raw).flatMap { Int(String(cString: $0)) } ?? 0 }

    var failed: Bool { status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_NONFATAL_ERROR }

    /// Whether the server reported this error, not libpq.
    var isFromServer: Bool { field(pgDiagSQLState) != nil }

    /// FATAL and PANIC end the connection; ERROR ends only the statement.
    var endsConnection: Bool {
        field(pgDiagSeverity).map { $0 == "FATAL" || $0 == "PANIC" } ?? true
    }

    /// Where in the server's source the error was raised: the only mark of a plan that went stale.
    var sourceFunction: String? { field(pgDiagSourceFunction) }

    func report(statement: String, parameters: [Query.Parameter]) -> ServerReport {
        ServerReport(raw, statement: statement, parameters: parameters)
    }

    /// The message libpq itself made, when the server said nothing.
    var clientMessage: String { printable(PQresultErrorMessage(raw).map { String(cString: $0) } ?? "") }

    private func field(_ code: Int32) -> String? { PQresultErrorField(raw, code).map { String(cString: $0) } }

    // MARK: Values

    var columnCount: Int { Int(PQnfields(raw)) }

    func columnName(_ column: Int) -> String { PQfname(raw, Int32(column)).map { String(cString: $0) } ?? "" }

    /// The columns of this name. Not `PQfnumber`: that folds the name to lower case and hides duplicates.
    func columns(named name: String) -> [Int] { (0..<columnCount).filter { columnName($0) == name } }

    func cell(row: Int32, column: Int) -> PostgresCell {
        let column = Int32(column)
        let type = PostgresType(rawValue: PQftype(raw, column))
        guard PQgetisnull(raw, row, column) == 0, let start = PQgetvalue(raw, row, column) else {
            return PostgresCell(type: type, bytes: nil)
        }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(raw, row, column)))
        return PostgresCell(type: type, bytes: Array(bytes))
    }
}

/// One row of a result. Holding a row holds the whole result in memory.
package struct Row: Sendable {
    let result: ResultSet
    let index: Int32

    /// The column of this name.
    /// - Throws: ``PostgresError/decoding(column:expected:found:)`` when there is no such column or more than one, or when
    ///   its value is not a `Value`.
    package func decode<Value: PostgresValue>(_ column: String, as type: Value.Type = Value.self) throws(PostgresError)
        -> Value
    {
        let columns = result.columns(named: column)
        guard columns.count == 1 else {
            let found = columns.isEmpty ? "no column of that name" : "\(columns.count) columns of that name"
            throw .decoding(column: column, expected: "\(Value.self)", found: found)
        }
        return try decode(columns[0])
    }

    /// The column at this position, counted from 0.
    package func decode<Value: PostgresValue>(_ column: Int, as type: Value.Type = Value.self) throws(PostgresError)
        -> Value
    {
        guard (0..<result.columnCount).contains(column) else {
            throw .decoding(column: "\(column)", expected: "\(Value.self)", found: "no column at that position")
        }
        do {
            return try Value(result.cell(row: index, column: column))
        } catch {
            throw .decoding(column: result.columnName(column), expected: error.expected, found: error.found)
        }
    }

    /// The names of the columns, in order.
    package var columns: [String] { (0..<result.columnCount).map(result.columnName) }
}
