/// One request to one upstream. The address is checked when it is sent, not here: an HTTPError names what is wrong.
public struct HTTPRequest: Sendable {
    /// The methods the protocols of this project use.
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// What to do with the resource.
    public var method: Method
    /// Absolute `https://` address (`http://` where the route allows it), without user name and password:
    /// credentials belong in a header.
    public var url: String
    /// Fields to send besides `User-Agent`, `Accept: */*` and the framing, which the client writes itself.
    public var headers: HTTPHeaders
    /// Sent whole, with its `Content-Length`. Refused for GET and HEAD. POST, PUT and PATCH without a body send length 0.
    public var body: [UInt8]?
    /// A file sent in place of ``body``, by the same rules.
    public var upload: HTTPUpload?
    /// Secrets that stand elsewhere than in a credential header, in the body for instance: no message is to repeat them.
    public var secrets: [String] = []
    /// Timeouts, limits, TLS, proxy and address policy of the upstream.
    public var route: HTTPRoute

    /// A request to `url`; nothing is dialled or checked before it is sent.
    public init(
        _ method: Method, _ url: String, headers: HTTPHeaders = [:], body: [UInt8]? = nil, route: HTTPRoute = .init()
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.route = route
    }

    /// RFC 9110 §9.2.2: sending twice has the effect of sending once, so a lost connection may be tried again unasked.
    var isIdempotent: Bool {
        switch method {
        case .get, .head, .put, .delete: true
        case .post, .patch: false
        }
    }
}
