/// One exchange with one address: the request as given, or what a redirect made of it. Checked, ready to be dialled.
struct Hop: Sendable {
    let method: HTTPRequest.Method
    let address: HTTPAddress
    let headers: HTTPHeaders
    let body: [UInt8]?
    let upload: HTTPUpload?
    let route: HTTPRoute
    let reach: PeerAddress.Reach
    let mayBeResent: Bool

    /// Checks what the caller wrote; throws `invalidRequest` or `plainHTTPRefused` before anything is dialled.
    init(_ request: HTTPRequest) throws(HTTPError) {
        do {
            address = try HTTPAddress(request.url)
        } catch {
            // the text is not quoted: a URL that does not parse may hold a secret anywhere
            throw .invalidRequest(url: "the given address", reason: error.reason)
        }
        method = request.method
        headers = request.headers
        body = request.body
        upload = request.upload
        route = request.route
        reach = request.route.addresses == .publicOnly ? .publicOnly : .anywhere
        mayBeResent = request.isIdempotent
        if address.scheme == "http", !route.allowPlainHTTP { throw .plainHTTPRefused(url: address.redacted) }
        if let reason = Self.fault(in: request) { throw .invalidRequest(url: address.redacted, reason: reason) }
    }

    private init(of hop: Hop, redirectedTo target: HTTPAddress, by peer: PeerAddress?) {
        address = target
        method = hop.method
        route = hop.route
        body = hop.body
        upload = hop.upload
        mayBeResent = hop.mayBeResent
        if target.hasSameOrigin(as: hop.address) {
            headers = hop.headers
            reach = hop.reach
        } else {
            // fetch standard, "HTTP-redirect fetch" step 13; Cookie and Proxy-Authorization for the same reason
            var kept = hop.headers
            for name in ["Authorization", "Cookie", "Proxy-Authorization"] { kept[name] = nil }
            headers = kept
            let isHere = peer?.isLoopback == true
            reach =
                hop.route.addresses == .publicOnly ? .publicOnly : isHere ? .privateNetworkAndLoopback : .privateNetwork
        }
    }

    /// The next hop where the answer is a redirect to follow under the route's policy, nil where the answer is final.
    func next(after answer: HopAnswer, followed: Int) throws(HTTPError) -> Hop? {
        guard case .follow(let limit) = route.redirects, method == .get || method == .head,
            [301, 302, 303, 307, 308].contains(answer.status), let location = answer.headers["Location"]
        else { return nil }
        let target: HTTPAddress
        do {
            target = try HTTPAddress(location, relativeTo: address)
        } catch {
            throw .redirectRefused(url: address.redacted, location: "an unusable address", reason: error.reason)
        }
        func refused(_ reason: String) -> HTTPError {
            .redirectRefused(url: address.redacted, location: target.redacted, reason: reason)
        }
        if followed >= limit { throw refused("more than \(limit) redirects") }
        if address.scheme == "https", target.scheme == "http" { throw refused("from https to http") }
        return Hop(of: self, redirectedTo: target, by: answer.peer)
    }

    /// Whether a peer is a proxy of the route's on this host, which dials whatever the URL names.
    func isProxy(_ peer: PeerAddress, port: Int) -> Bool {
        peer.isLoopback && LoopbackProxy.ports(route.proxy).contains(port)
    }

    /// The range that keeps a peer out, or nil when this hop may ask it. A redirect that is followed through a proxy on this
    /// host does not lead to this host.
    func denial(of peer: PeerAddress, port: Int) -> String? {
        guard let range = peer.denial(under: reach) else { return nil }
        return reach == .privateNetwork && isProxy(peer, port: port) ? nil : range
    }

    /// What keeps a request from being written: everything that could smuggle a second header or request.
    private static func fault(in request: HTTPRequest) -> String? {
        if request.body != nil || request.upload != nil, request.method == .get || request.method == .head {
            return "a \(request.method.rawValue) with a body"
        }
        if request.body != nil, request.upload != nil { return "two bodies" }
        for (name, value) in request.headers {
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else { return "a header name that is not a token" }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                return "a control character in header \(name)"
            }
            // gRPC asks for `TE: trailers`, the only value that HTTP/2 leaves (RFC 9113 §8.2.2)
            if name.lowercased() == "te", value == "trailers", request.route.assumesHTTP2 { continue }
            if ["transfer-encoding", "connection", "upgrade", "te", "expect"].contains(name.lowercased()) {
                return "header \(name) belongs to the client"
            }
            if name.lowercased() == "content-length", value != String(request.upload?.size ?? request.body?.count ?? 0)
            {
                return "a Content-Length that is not the body's"
            }
        }
        return nil
    }

    /// `tchar` of RFC 9110 §5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
