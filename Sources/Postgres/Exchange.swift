import CPostgres
import Dispatch
import Glibc

/// One request and its answer: which statement, and how long we still wait. When the time is up the statement is
/// cancelled, once, and the server gets a moment to confirm; then the socket is closed.
struct Exchange {
    var sql: String
    /// The statement for people. Made only when an error tells of it: it costs more than many a query.
    var statement: String { Query.label(of: sql) }
    let limit: Duration
    private(set) var until: ContinuousClock.Instant
    private(set) var wasCancelled = false

    init(_ sql: String, limit: Duration) {
        self.sql = sql
        self.limit = limit
        until = .now + limit
    }

    mutating func cancelled(grace: Duration) {
        wasCancelled = true
        until = .now + grace
    }
}

extension Link {
    /// Waits for the socket under the rules of ``Exchange``.
    func wait(_ events: Int32, _ exchange: inout Exchange) throws(PostgresError) {
        if waitForSocket(events, by: exchange.until) { return }
        // A cancellation whose fate we do not know might hit a later statement: then the connection has to go.
        if !exchange.wasCancelled, CancelRequest(self)?.send(within: configuration.cancelGrace) == true {
            exchange.cancelled(grace: configuration.cancelGrace)
            if waitForSocket(events, by: exchange.until) { return }
        }
        close()
        throw .deadline(limit: exchange.limit, statement: exchange.statement, settled: false)
    }

    /// Hands everything queued to the kernel, reading meanwhile: a server that waits for us to read does not read.
    func flush(_ exchange: inout Exchange) throws(PostgresError) {
        while true {
            switch PQflush(raw) {
            case 0: return
            case 1:
                try wait(POLLIN | POLLOUT, &exchange)
                guard PQconsumeInput(raw) == 1 else { throw lost(exchange) }
            default: throw lost(exchange)
            }
        }
    }

    /// The next result of the current command; nil when it has no more.
    func nextResult(_ exchange: inout Exchange) throws(PostgresError) -> ResultSet? {
        while PQisBusy(raw) == 1 {
            try wait(POLLIN, &exchange)
            // On a broken connection the server's last words may already be read: PQgetResult has them, or an error.
            guard PQconsumeInput(raw) == 1 else { break }
        }
        return PQgetResult(raw).map(ResultSet.init(owning:))
    }

    /// The error of a connection that broke.
    func lost(_ exchange: Exchange) -> PostgresError {
        close()
        return .connectionLost(reason: errorMessage, sqlState: nil, statement: exchange.statement)
    }

    /// The error of a result that is one.
    func failure(_ result: ResultSet, of query: Query, _ exchange: Exchange) -> PostgresError {
        let report = result.report(statement: exchange.statement, parameters: query.parameters)
        // Without a SQLSTATE it is libpq that speaks: the connection broke and the server said nothing.
        if !result.isFromServer {
            close()
            return .connectionLost(reason: result.clientMessage, sqlState: nil, statement: exchange.statement)
        }
        if result.endsConnection {
            close()
            return .connectionLost(reason: report.message, sqlState: report.sqlState, statement: exchange.statement)
        }
        if exchange.wasCancelled, report.sqlState == "57014" {
            return .deadline(limit: exchange.limit, statement: exchange.statement, settled: true)
        }
        return .server(report)
    }

    /// A cancellation that came too late for its statement may still be on its way. It must not hit the next one, so let
    /// it hit an empty query.
    func absorbLateCancellation() {
        var exchange = Exchange("", limit: configuration.cancelGrace)
        do {
            guard isUsable, PQsendQuery(raw, "") == 1 else { return close() }
            try flush(&exchange)
            while try nextResult(&exchange) != nil {}
        } catch {
            close()
        }
    }
}

/// Owner of a `PGcancel`: what is needed to ask the server, over a connection of its own, to stop the current statement.
private final class CancelRequest: @unchecked Sendable {
    // Never changed after creation, and PQcancel is documented as thread-safe.
    private let raw: OpaquePointer

    init?(_ link: Link) {
        guard let raw = PQgetCancel(link.raw) else { return nil }
        self.raw = raw
    }

    deinit { PQfreeCancel(raw) }

    /// True once the server has taken the request. PQcancel connects and waits without a limit, so it runs on a thread
    /// that may outlive the wait, at most by the kernel's connect timeout.
    func send(within limit: Duration) -> Bool {
        let taken = DispatchSemaphore(value: 0)
        let started = startThread(named: "pg-cancel") { [self] in
            var complaint = [CChar](repeating: 0, count: 256)
            if PQcancel(raw, &complaint, Int32(complaint.count)) == 1 { taken.signal() }
        }
        guard started else { return false }
        return taken.wait(timeout: .now() + .milliseconds(Int(limit / .milliseconds(1)))) == .success
    }
}
