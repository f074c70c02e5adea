import CPostgres
import Glibc

/// Owner of a `PGconn`. Lives and dies on one thread; every call on it ends by its deadline.
///
/// The connection is non-blocking: libpq never waits, we do, in `poll` and with a limit. A server that hangs therefore
/// cannot hold the thread, which `statement_timeout` alone would allow.
final class Link {
    let raw: OpaquePointer
    let configuration: PostgresConfiguration
    var statements = StatementCache()
    /// Set once the socket must not be used again; libpq's own status is asked as well.
    private(set) var isClosed = false

    private init(owning raw: OpaquePointer, configuration: PostgresConfiguration) {
        self.raw = raw
        self.configuration = configuration
    }

    deinit { PQfinish(raw) }

    /// Connects and applies the settings.
    static func open(_ configuration: PostgresConfiguration) throws(PostgresError) -> Link {
        let pairs = configuration.connectParameters
        let raw = withCStrings(pairs.map(\.0)) { keywords in
            withCStrings(pairs.map(\.1)) { values in PQconnectStartParams(keywords, values, 0) }
        }
        guard let raw else { throw .unavailable(reason: "out of memory") }
        let link = Link(owning: raw, configuration: configuration)
        try link.shakeHands(by: .now + configuration.connectTimeout)
        try link.applySettings()
        return link
    }

    private func shakeHands(by limit: ContinuousClock.Instant) throws(PostgresError) {
        // The default receiver prints the server's notices on our stderr. One of them matters: what ends an idle
        // connection comes as a notice. The pointer lives as long as the connection, which is as long as we do.
        PQsetNoticeReceiver(
            raw,
            { link, notice in
                guard let link, let severity = notice.flatMap({ PQresultErrorField($0, pgDiagSeverity) }) else {
                    return
                }
                if ["FATAL", "PANIC"].contains(String(cString: severity)) {
                    Unmanaged<Link>.fromOpaque(link).takeUnretainedValue().close()
                }
            }, Unmanaged.passUnretained(self).toOpaque())
        // libpq keeps the SQLSTATE of a refused connection to itself; at this verbosity it is part of the text.
        PQsetErrorVerbosity(raw, PQERRORS_VERBOSE)
        var next = PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while next != PGRES_POLLING_OK {
            guard next != PGRES_POLLING_FAILED else {
                throw ConnectFailure(errorMessage, of: configuration.hosts.count).error
            }
            let events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard waitForSocket(events, by: limit) else {
                throw .unavailable(reason: "no connection within \(configuration.connectTimeout)")
            }
            next = PQconnectPoll(raw)
        }
        PQsetErrorVerbosity(raw, PQERRORS_DEFAULT)
        guard PQsetnonblocking(raw, 1) == 0 else { throw .unavailable(reason: errorMessage) }
    }

    private func applySettings() throws(PostgresError) {
        let settings = configuration.settings
        guard !settings.isEmpty else { return }
        let (names, values) = (settings.map(\.name), settings.map(\.value))
        var exchange = Exchange("SET", limit: configuration.connectTimeout)
        let query: Query = "SELECT set_config(n, v, false) FROM unnest(\(names), \(values)) AS s (n, v)"
        do {
            try sendUnprepared(query)
            _ = try outcome(of: query, &exchange)
        } catch .server(let report) where !report.isTransient {
            throw .configuration("a session setting was refused (\(names.joined(separator: ", "))): \(report)")
        }
    }

    // MARK: State

    var isUsable: Bool { !isClosed && PQstatus(raw) == CONNECTION_OK }

    /// Whether a transaction is open, also a failed one.
    var isInTransaction: Bool {
        [PQTRANS_INTRANS, PQTRANS_INERROR].contains(PQtransactionStatus(raw))
    }

    var isIdle: Bool { isUsable && PQtransactionStatus(raw) == PQTRANS_IDLE }

    /// What the peer did while nobody looked: a server that went away has closed the socket, which shows as readable.
    func survivedIdling() -> Bool {
        while isUsable, pollSocket(POLLIN, milliseconds: 0) {
            guard PQconsumeInput(raw) == 1 else { return false }
            _ = PQisBusy(raw)  // parses what was read
        }
        return isIdle
    }

    /// The socket is closed when the link is released; until then nothing more may happen on it.
    func close() { isClosed = true }

    var errorMessage: String { printable(PQerrorMessage(raw).map { String(cString: $0) } ?? "unknown") }

    // MARK: Waiting

    /// False when the time is up.
    func waitForSocket(_ events: Int32, by limit: ContinuousClock.Instant) -> Bool {
        while true {
            let left = limit - .now
            guard left > .zero else { return false }
            // One millisecond more, so that rounding down does not spin; an hour at most, so that it fits.
            let milliseconds = min(left, .seconds(3600)) / .milliseconds(1) + 1
            if pollSocket(events, milliseconds: Int32(milliseconds)) { return true }
        }
    }

    private func pollSocket(_ events: Int32, milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: PQsocket(raw), events: Int16(events), revents: 0)
        return poll(&descriptor, 1, milliseconds) > 0
    }
}

/// Lends the strings to C, followed by NULL, for the time of the call.
private func withCStrings<R>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> R) -> R {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies.map { UnsafePointer($0) } + [nil])
}

/// What libpq says about a connection that did not come about.
struct ConnectFailure {
    let error: PostgresError

    /// How libpq says that TLS was asked for and does not hold: it has no code for that, and our messages are not translated.
    private static let distrust = [
        "certificate verify failed", "does not match host name", "server does not support SSL", "root certificate file",
    ]

    /// The text has "FATAL:  28P01: password authentication failed…" and a LOCATION line after it.
    /// - Parameter hosts: how many may be asked.
    init(_ message: String, of hosts: Int) {
        let text = message.split(separator: " LOCATION:").first.map(String.init) ?? message
        let state = text.split(separator: " ").first { word in
            // "FATAL:" has the same form but for the digit.
            word.count == 6 && word.last == ":" && word.contains(where: \.isNumber)
                && word.dropLast().allSatisfy { $0.isNumber || $0.isUppercase }
        }.map { String($0.dropLast()) }
        // 28: authorization; 3D: no such database; 42501: no CONNECT privilege. All else may pass.
        if let state, state.hasPrefix("28") || state.hasPrefix("3D") || state == "42501" {
            error = .refused(sqlState: state, reason: text)
        } else if Self.isDistrust(text, of: hosts) {
            error = .untrusted(reason: text)
        } else {
            error = .unavailable(reason: text, sqlState: state)
        }
    }

    /// Of several hosts one that was not reached, or not asked, may be the one that proves itself next time.
    private static func isDistrust(_ text: String, of hosts: Int) -> Bool {
        func isDistrusted(_ part: some StringProtocol) -> Bool { distrust.contains { part.contains($0) } }
        guard hosts > 1 else { return isDistrusted(text) }
        // libpq begins so what it says about each address that it tried
        let parts = text.split(separator: "connection to server ")
        return parts.count >= hosts && parts.allSatisfy(isDistrusted)
    }
}
