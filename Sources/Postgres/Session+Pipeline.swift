import CPostgres

extension Session {
    /// Sends all statements at once and then reads all answers: one round trip for many statements. Outside a
    /// transaction they form one: all take effect or none does.
    /// - Returns: the rows of each statement, in order.
    /// - Throws: the first statement's error; those after it were not executed.
    package func pipeline(_ queries: [Query]) throws(PostgresError) -> [[Row]] {
        guard !queries.isEmpty else { return [] }
        return try exchange(queries).map(\.rows)
    }

    /// The results of these statements, in order. A BEGIN that is due goes out with them.
    func exchange(_ queries: [Query]) throws(PostgresError) -> [ResultSet] {
        let limit = try nextLimit()
        let sent = begun(queries)
        let name = queries.count == 1 ? queries[0].sql : "pipeline"
        let results = try noting { () throws(PostgresError) in try link.pipeline(sent, named: name, limit: limit) }
        return Array(results.suffix(queries.count))
    }
}

extension Link {
    /// - Parameter name: what an error calls it that tells of no statement, as the deadline's does.
    fileprivate func pipeline(_ queries: [Query], named name: String, limit: Duration) throws(PostgresError)
        -> [ResultSet]
    {
        // Before anything is queued: a pipeline that was begun must be ended, or the connection is lost.
        for query in queries { try query.checkParameters() }
        var exchange = Exchange(name, limit: limit)
        let mayRepeat = !isInTransaction
        var answers = try exchangeAll(queries, &exchange)
        if answers.contains(where: \.result.isStaleStatement) {
            // Only the first is known to be stale, but what took it away has hardly spared the others.
            for query in queries { statements.remove(query.cacheKey) }
            if mayRepeat, isIdle { answers = try exchangeAll(queries, &exchange) }
        }
        if let decisive = answers.first(where: \.result.failed) ?? answers.last {
            exchange.sql = decisive.query.sql
            _ = try checked(decisive.result, of: decisive.query, exchange)
        }
        let results = answers.filter { !$0.isPreparation }.map(\.result)
        // callers take the answers by their places
        guard results.count == queries.count else { throw lost(exchange) }
        return results
    }

    /// What the server will answer next.
    private struct Expected {
        let query: Query
        /// The name under which the statement is being prepared; nil where it is executed.
        let preparing: String?
    }

    private struct Answer {
        let query: Query
        let isPreparation: Bool
        let result: ResultSet
    }

    private func exchangeAll(_ queries: [Query], _ exchange: inout Exchange) throws(PostgresError) -> [Answer] {
        guard PQenterPipelineMode(raw) == 1 else { throw lost(exchange) }
        // Left in the middle, after an error, the connection is of no use to anyone.
        defer { if PQexitPipelineMode(raw) != 1 { close() } }
        let expected = try sendAll(queries)
        guard PQpipelineSync(raw) == 1 else { throw lost(exchange) }
        try flush(&exchange)
        return try readAll(expected, &exchange)
    }

    private func sendAll(_ queries: [Query]) throws(PostgresError) -> [Expected] {
        var expected: [Expected] = []
        var fresh: [StatementCache.Key: String] = [:]
        for query in queries {
            let key = query.cacheKey
            if !configuration.preparesStatements {
                try sendUnprepared(query)
            } else if let name = statements.name(for: key) ?? fresh[key] {
                try sendPrepared(name, query)
            } else {
                let name = statements.freshName()
                fresh[key] = name
                try sendPrepare(name, query)
                expected.append(Expected(query: query, preparing: name))
                try sendPrepared(name, query)
            }
            expected.append(Expected(query: query, preparing: nil))
        }
        return expected
    }

    /// Reads every answer and the sync that ends them. After an error the rest come as "aborted"; they are read too, or
    /// the connection could not be used again.
    private func readAll(_ expected: [Expected], _ exchange: inout Exchange) throws(PostgresError) -> [Answer] {
        var answers: [Answer] = []
        for command in expected {
            guard let result = try nextResult(&exchange) else { throw lost(exchange) }
            answers.append(Answer(query: command.query, isPreparation: command.preparing != nil, result: result))
            guard isUsable else {
                // a server that ends the session says so in its last answer; behind a good one it was lost, and the rest with it
                guard result.failed else { throw lost(exchange) }
                return answers
            }
            if let name = command.preparing, result.status == PGRES_COMMAND_OK {
                statements.insert(command.query.cacheKey, name: name)
            }
            while try nextResult(&exchange) != nil {}
        }
        // The sync commits. What fails only then, such as a deferred constraint, comes before it.
        while let result = try nextResult(&exchange), result.status != PGRES_PIPELINE_SYNC {
            answers.append(Answer(query: "COMMIT", isPreparation: false, result: result))
            guard isUsable, try nextResult(&exchange) == nil else {
                guard result.failed else { throw lost(exchange) }
                return answers
            }
        }
        return answers
    }
}
