/// Where the three doors listen. Equal addresses share one listener; port 0 takes a free port.
package struct ListenerConfiguration: Sendable, Equatable {
    /// `POST /webhooks/{endpoint}`. Default `127.0.0.1:8080`; the only door a registry has to reach.
    package var webhooks = ListenAddress(host: "127.0.0.1", port: 8080)
    /// `/v1/…`. Default `127.0.0.1:8080`, shared with the webhooks.
    package var api = ListenAddress(host: "127.0.0.1", port: 8080)
    /// `/healthz`, `/readyz`, `/metrics`; none of them asks for a token. Default `127.0.0.1:8081`, apart from the public doors.
    package var operations = ListenAddress(host: "127.0.0.1", port: 8081)
    /// From the head of a request to the end of its body. Default 5 s; then the connection is closed without an answer, so
    /// that slow senders cannot hold it. A head that does not end is cut off after 120 s of silence.
    package var readTimeout: Duration = .seconds(5)
    /// Open connections of one listener. Default 1,024; further ones wait in the kernel's backlog.
    package var maxConnections = 1024

    package init() {}
}

/// `host:port`, as one listens on it. IPv6 hosts are written in brackets.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    /// 0 takes a free port; the bound one is reported when the listener stands.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Parses `127.0.0.1:8080`, `localhost:8080` or `[::1]:8080`; nil for anything else (a missing port is not guessed).
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, host.allSatisfy({ $0.isASCII && !$0.isWhitespace && $0 != "/" && $0 != "@" }) else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// How deliveries are gathered into commits, and when the sender is told to come back.
package struct IntakeConfiguration: Sendable, Equatable {
    /// Events of one commit. Default 100; what arrives while a commit is on its way shares the next one.
    package var commitEvents = 100
    /// Deliveries that may wait for their commit. Default 1,000; one more is answered 503 at once.
    package var maxWaiting = 1000
    /// The longest a commit waits for a database connection. Default 2 s; then 503, and the registry retries.
    package var connectionWait: Duration = .seconds(2)
    /// `Retry-After` of a 503. Default 5 s.
    package var retryAfter: Duration = .seconds(5)

    package init() {}
}
