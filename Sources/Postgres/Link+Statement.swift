import CPostgres

extension Link {
    /// Runs one statement. One that the server no longer knows under its name, or whose plan no longer fits the schema,
    /// is prepared again; outside a transaction that is safe, because nothing of it was executed.
    func run(_ query: Query, limit: Duration) throws(PostgresError) -> ResultSet {
        var exchange = Exchange(query.sql, limit: limit)
        let mayRepeat = !isInTransaction
        var result = try answer(to: query, &exchange)
        if result.isStaleStatement {
            statements.remove(query.cacheKey)
            if mayRepeat, isIdle { result = try answer(to: query, &exchange) }
        }
        return try checked(result, of: query, exchange)
    }

    /// Runs SQL that may be several statements, as a migration is. No parameters, nothing prepared.
    func runScript(_ sql: String, limit: Duration) throws(PostgresError) {
        let query = Query(unsafeSQL: sql)
        var exchange = Exchange(query.sql, limit: limit)
        guard PQsendQuery(raw, sql) == 1 else { throw lost(exchange) }
        _ = try outcome(of: query, &exchange)
    }

    /// Sends without preparing, as one does behind a transaction pooler.
    func sendUnprepared(_ query: Query) throws(PostgresError) {
        let arguments = try Arguments(query)
        let sent = arguments.withPointers { values, lengths, formats in
            PQsendQueryParams(raw, query.sql, arguments.count, arguments.types, values, lengths, formats, binary)
        }
        guard sent == 1 else { throw unsendable(query) }
    }

    func sendPrepared(_ name: String, _ query: Query) throws(PostgresError) {
        let arguments = try Arguments(query)
        let sent = arguments.withPointers { values, lengths, formats in
            PQsendQueryPrepared(raw, name, arguments.count, values, lengths, formats, binary)
        }
        guard sent == 1 else { throw unsendable(query) }
    }

    func sendPrepare(_ name: String, _ query: Query) throws(PostgresError) {
        let types = query.cacheKey.types.map(\.rawValue)
        guard PQsendPrepare(raw, name, query.sql, Int32(types.count), types) == 1 else { throw unsendable(query) }
    }

    /// The last result of what was sent, if none of them is an error.
    func outcome(of query: Query, _ exchange: inout Exchange) throws(PostgresError) -> ResultSet {
        try checked(lastResult(&exchange), of: query, exchange)
    }

    // MARK: Steps

    private func answer(to query: Query, _ exchange: inout Exchange) throws(PostgresError) -> ResultSet {
        guard configuration.preparesStatements else {
            try sendUnprepared(query)
            return try lastResult(&exchange)
        }
        if let name = statements.name(for: query.cacheKey) {
            try sendPrepared(name, query)
            return try lastResult(&exchange)
        }
        try dropRetired()
        let name = statements.freshName()
        try sendPrepare(name, query)
        let prepared = try lastResult(&exchange)
        guard !prepared.failed else { return prepared }
        statements.insert(query.cacheKey, name: name)
        try sendPrepared(name, query)
        return try lastResult(&exchange)
    }

    /// Frees on the server what the cache has let go. Names that a pooler already lost are no error: DEALLOCATE of an
    /// unknown name fails harmlessly outside a transaction, and inside one this waits.
    private func dropRetired() throws(PostgresError) {
        guard !statements.retired.isEmpty, isIdle else { return }
        for name in statements.takeRetired() {
            var exchange = Exchange("DEALLOCATE", limit: configuration.statementDeadline)
            guard PQsendQuery(raw, "DEALLOCATE " + quotedIdentifier(name)) == 1 else { throw lost(exchange) }
            _ = try lastResult(&exchange)
        }
    }

    /// Reads a command to its end. The first error counts: what follows it was not executed.
    private func lastResult(_ exchange: inout Exchange) throws(PostgresError) -> ResultSet {
        try flush(&exchange)
        var last: ResultSet?
        while let result = try nextResult(&exchange) {
            if last?.failed != true { last = result }
            // COPY would go on for ever, as nobody feeds it.
            if [PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH].contains(result.status) {
                close()
                throw .misuse("COPY is not supported")
            }
            guard isUsable else { break }
        }
        guard let last else { throw lost(exchange) }
        return last
    }

    func checked(_ result: ResultSet, of query: Query, _ exchange: Exchange) throws(PostgresError) -> ResultSet {
        let error = result.failed ? failure(result, of: query, exchange) : nil
        if exchange.wasCancelled, error?.sqlState != "57014" { absorbLateCancellation() }
        if let error { throw error }
        return result
    }

    /// libpq would not even queue it: the connection is broken, or the request is malformed.
    private func unsendable(_ query: Query) -> PostgresError {
        let reason = errorMessage
        let broke = PQstatus(raw) != CONNECTION_OK
        close()
        return broke ? .connectionLost(reason: reason, sqlState: nil, statement: nil) : .misuse(reason)
    }

    private var binary: Int32 { 1 }
}

extension Query {
    var cacheKey: StatementCache.Key { StatementCache.Key(sql: sql, types: parameters.map(\.type)) }

    /// Everything that would only be noticed once half of the request is on its way.
    func checkParameters() throws(PostgresError) {
        guard parameters.count <= Int(UInt16.max) else {
            throw .misuse("\(parameters.count) parameters in one statement; the protocol allows 65,535, use arrays")
        }
        for (index, parameter) in parameters.enumerated() {
            switch parameter.content {
            case .failure(let error): throw .unrepresentable(parameter: index + 1, reason: error.reason)
            // The server takes no message of 1 GiB or more (MaxAllocSize).
            case .success(let bytes?) where bytes.count >= 1 << 30:
                throw .unrepresentable(parameter: index + 1, reason: "longer than 1 GiB")
            case .success: break
            }
        }
    }
}

extension ResultSet {
    /// "prepared statement does not exist", or "cached plan must not change result type", which has no SQLSTATE of its
    /// own and is told by the function that raises it.
    var isStaleStatement: Bool {
        guard failed else { return false }
        let state = report(statement: "", parameters: []).sqlState
        return state == "26000" || (state == "0A000" && sourceFunction == "RevalidateCachedQuery")
    }
}

/// The parameters of one statement in the shape libpq takes them: one buffer, and where in it each value begins.
private struct Arguments {
    let types: [Oid]
    private var buffer: [UInt8] = []
    private var offsets: [Int?] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    var count: Int32 { Int32(types.count) }

    init(_ query: Query) throws(PostgresError) {
        try query.checkParameters()
        types = query.parameters.map(\.type.rawValue)
        for parameter in query.parameters {
            // Inferred types are sent as text (0), all others in their binary format (1).
            formats.append(parameter.type == .inferred ? 0 : 1)
            guard case .success(let bytes?) = parameter.content else {
                offsets.append(nil)
                lengths.append(0)
                continue
            }
            offsets.append(buffer.count)
            lengths.append(Int32(bytes.count))
            buffer += bytes
            buffer.append(0)  // libpq finds the end of a text value by its NUL
        }
    }

    func withPointers(_ body: ([UnsafePointer<CChar>?], [Int32], [Int32]) -> Int32) -> Int32 {
        buffer.withUnsafeBytes { bytes in
            let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            return body(offsets.map { offset in offset.flatMap { start?.advanced(by: $0) } }, lengths, formats)
        }
    }
}
