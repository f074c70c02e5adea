/// A whole answer, of whatever status: an HTTP error status is an answer, not an HTTPError.
public struct HTTPResponse: Sendable {
    /// Three-digit status of the final answer.
    public let status: Int
    /// Fields of the final answer's header section; trailers stand apart (RFC 9110 §6.5.1).
    public let headers: HTTPHeaders
    /// Fields of the trailer section (RFC 9110 §6.5), where gRPC puts its status.
    public let trailers: HTTPHeaders
    /// Body with the transfer coding removed; no content coding is asked for and none is undone.
    public let body: [UInt8]
    /// The address that answered, after redirects. May hold a signed query: not for logs.
    public let url: String
    /// The origin that answered, `https://host:443`, where redirects led to another one than was asked.
    public let redirectedTo: String?
    /// From the call to the last byte, redirects included.
    public let elapsed: Duration
    let sent: SentSecrets

    /// An answer made by hand, for the tests of those who use this client.
    public init(
        status: Int, headers: HTTPHeaders, trailers: HTTPHeaders = [:], body: [UInt8], url: String, elapsed: Duration
    ) {
        self.status = status
        self.headers = headers
        self.trailers = trailers
        self.body = body
        self.url = url
        self.elapsed = elapsed
        redirectedTo = nil
        sent = SentSecrets()
    }

    init(_ answer: HopAnswer, to request: HTTPRequest, at asked: HTTPAddress, by hop: Hop, elapsed: Duration) {
        status = answer.status
        headers = answer.headers
        trailers = answer.trailers
        body = answer.body
        url = hop.address.text
        redirectedTo = hop.address.hasSameOrigin(as: asked) ? nil : hop.address.origin
        sent = SentSecrets(of: request)
        self.elapsed = elapsed
    }
}
