/// An HTTP client for the few upstreams a signing service talks to: libcurl on one thread of its own, behind `async`.
///
/// Connections are kept and reused; over TLS, HTTP/2 is used where the server offers it, many requests on one
/// connection. Nothing is retried, except that libcurl sends an idempotent request again when a *reused* connection
/// turns out to be closed before a byte of the answer. No cookies, no netrc, no content coding, no HTTP
/// authentication of its own.
public final class HTTPClient: Sendable {
    /// What holds for all requests of a client.
    public struct Configuration: Sendable {
        /// `User-Agent` of every request. Default `countersign`.
        public var userAgent = "countersign"
        /// Connections to one host and port at a time; further HTTP/1.1 requests wait for a free one. Default 32.
        public var maxConnectionsPerHost = 32
        /// Connections in all, idle ones included. Default 128.
        public var maxConnections = 128

        /// The defaults.
        public init() {}
    }

    private let transfers: TransferThread
    private let gate: (any HTTPGate)?
    /// Whose thread it is, if not this one's own.
    private let owner: HTTPClient?

    /// Starts the client's thread.
    public init(_ configuration: Configuration = .init()) {
        transfers = TransferThread(configuration)
        gate = nil
        owner = nil
    }

    private init(owner: HTTPClient, gate: any HTTPGate) {
        transfers = owner.transfers
        self.gate = gate
        self.owner = owner
    }

    deinit {
        if owner == nil { transfers.close() }
    }

    /// The same client with a gate before each of its requests.
    public func gated(by gate: any HTTPGate) -> HTTPClient { HTTPClient(owner: owner ?? self, gate: gate) }

    /// Sends the request and collects the whole answer, following redirects where the route says so.
    ///
    /// Any HTTP status is an answer. Throws `HTTPError` where there is none; cancelling the task aborts the transfer
    /// and throws `cancelled`. A gate may withhold the request before anything is dialled.
    public func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        guard let gate else { return try await exchange(request) }
        let pass = try await gate.enter()
        do throws(HTTPError) {
            let response = try await exchange(request)
            gate.leave(.answered(status: response.status, retryAfter: response.retryAfter), pass)
            return response
        } catch {
            gate.leave(.failed(error), pass)
            throw error
        }
    }

    private func exchange(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let clock = ContinuousClock()
        let started = clock.now
        let deadline = started + request.route.totalTimeout
        var hop = try Hop(request)
        let asked = hop.address
        var followed = 0
        while true {
            let answer = try await transfers.run(hop, deadline: deadline)
            guard let next = try hop.next(after: answer, followed: followed) else {
                return HTTPResponse(answer, to: request, at: asked, by: hop, elapsed: clock.now - started)
            }
            hop = next
            followed += 1
        }
    }

    /// Fails what is under way with `shutDown`, and everything sent later. Returns at once.
    public func shutdown() {
        transfers.close()
    }
}
