/// A connection lent to a closure, which runs on the connection's own thread. Nothing here is `async`: a transaction
/// cannot wait for anything but the database, because the compiler does not let it.
package final class Session {
    let link: Link
    private let until: ContinuousClock.Instant?
    private var isOver = false
    /// A transaction was begun here of which the server has not been told: its BEGIN goes out with the first statement, so
    /// that it costs no round trip of its own.
    private var beginIsDue = false
    /// The first error since BEGIN. After it the server refuses everything, so this one is the cause.
    private var transactionError: PostgresError?

    init(_ link: Link, deadline: Duration?) {
        self.link = link
        until = deadline.map { .now + $0 }
    }

    /// Runs a statement and returns its rows.
    package func query(_ query: Query) throws(PostgresError) -> [Row] {
        try run(query).rows
    }

    /// Runs a statement and returns how many rows it touched.
    @discardableResult
    package func execute(_ query: Query) throws(PostgresError) -> Int {
        try run(query).affected
    }

    /// Runs SQL that may hold several statements, without parameters.
    package func script(_ sql: String) throws(PostgresError) {
        try sendBegin()
        let limit = try nextLimit()
        try noting { () throws(PostgresError) in try link.runScript(sql, limit: limit) }
    }

    /// Runs the body between BEGIN and COMMIT; whatever it throws rolls back and is thrown on.
    /// - Throws: also ``PostgresError/commitUnknown(reason:)``, and an error that the body swallowed: a transaction in
    ///   which a statement failed cannot be committed.
    package func transaction<R>(_ body: () throws -> R) throws -> R {
        try begin()
        let value: R
        do {
            value = try body()
        } catch {
            rollBack()
            throw error
        }
        try commit()
        return value
    }

    /// The same, for a body that throws nothing else.
    func transaction<R>(_ body: () throws(PostgresError) -> R) throws(PostgresError) -> R {
        try begin()
        let value: R
        do {
            value = try body()
        } catch {
            rollBack()
            throw error
        }
        try commit()
        return value
    }

    // MARK: Inside

    var isInTransaction: Bool { beginIsDue || link.isInTransaction }

    /// Called when the closure has returned: a session that was kept must not touch a connection that someone else has.
    func end() { isOver = true }

    /// Ends a transaction that must not be committed. A connection on which that fails is given up, which rolls back too.
    func rollBack() {
        beginIsDue = false
        guard link.isUsable, link.isInTransaction else { return }
        do {
            _ = try link.run("ROLLBACK", limit: link.configuration.statementDeadline)
        } catch {
            link.close()
        }
    }

    /// What the next call may take.
    func nextLimit() throws(PostgresError) -> Duration {
        guard !isOver else { throw .misuse("a session was used after its closure had returned") }
        guard link.isUsable else {
            throw transactionError ?? .connectionLost(reason: "already broken", sqlState: nil, statement: nil)
        }
        return until.map { max(.zero, $0 - .now) } ?? link.configuration.statementDeadline
    }

    func noting<R>(_ body: () throws(PostgresError) -> R) throws(PostgresError) -> R {
        do {
            return try body()
        } catch {
            transactionError = transactionError ?? error
            throw error
        }
    }

    /// The statements that go out together: those given, after a BEGIN that is still due.
    func begun(_ queries: [Query]) -> [Query] {
        guard beginIsDue else { return queries }
        beginIsDue = false
        return ["BEGIN"] + queries
    }

    private func run(_ query: Query) throws(PostgresError) -> ResultSet {
        if beginIsDue { return try exchange([query])[0] }
        let limit = try nextLimit()
        return try noting { () throws(PostgresError) in try link.run(query, limit: limit) }
    }

    /// For what cannot go out together with it.
    private func sendBegin() throws(PostgresError) {
        guard beginIsDue else { return }
        beginIsDue = false
        try execute("BEGIN")
    }

    private func begin() throws(PostgresError) {
        guard !isInTransaction else { throw .misuse("a transaction is already open") }
        beginIsDue = true
        transactionError = nil
    }

    private func commit() throws(PostgresError) {
        // nothing was asked of the server, so there is nothing to keep
        guard !beginIsDue else { return beginIsDue = false }
        // its first statement never went out, and the body did not say so: what followed stood alone
        guard link.isInTransaction || !link.isUsable else {
            throw transactionError ?? .misuse("the transaction had been ended by hand")
        }
        let limit = try nextLimit()
        let result: ResultSet
        do {
            result = try link.run("COMMIT", limit: limit)
        } catch  where error.answerMayBeLost {
            throw .commitUnknown(reason: "\(error)")
        }
        // The server answers COMMIT of a failed transaction with ROLLBACK, and no error.
        guard result.commandTag == "COMMIT" else {
            throw transactionError ?? .misuse("the transaction had been ended by hand")
        }
    }
}

/// Belongs to its connection's thread.
@available(*, unavailable)
extension Session: Sendable {}
