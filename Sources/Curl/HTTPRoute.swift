/// How one upstream is reached: one value for each configured registry, Fulcio, Rekor or timestamp authority.
public struct HTTPRoute: Sendable, Equatable {
    /// From the start of a hop until its connection stands: name, TCP, proxy and TLS. A request that waits for a free
    /// connection is held to the total timeout only. Default 5 s.
    public var connectTimeout: Duration = .seconds(5)
    /// From the call until the last byte of the answer, redirects included. Default 30 s.
    public var totalTimeout: Duration = .seconds(30)
    /// Body bytes accepted in an answer; one more fails the request. Default 4 MiB.
    public var maxResponseBytes = 4 << 20
    /// Header bytes accepted in an answer, interim (1xx) answers and trailers included. Default 32 KiB.
    public var maxHeaderBytes = 32 << 10
    /// Whether a 3xx answer is handed back or followed. Default: handed back.
    public var redirects: RedirectPolicy = .refuse
    /// PEM file whose certificates are trusted *instead of* the system's. Default nil: the system's.
    public var caFile: String? = nil
    /// Which proxy carries the request. Default: what the environment says.
    public var proxy: ProxyPolicy = .environment
    /// Which addresses may be dialled. Default: public ones only.
    public var addresses: AddressPolicy = .publicOnly
    /// A Unix socket that is dialled in place of the URL's host and port, which then only name the authority. No proxy is
    /// used, and `addresses` does not apply: whoever names a socket means it. Default nil.
    public var unixSocket: String? = nil
    /// Whether `http://` is spoken as HTTP/2 from the first byte (RFC 9113 §3.3), as gRPC does; an `https://` address
    /// negotiates as ever. Default false.
    public var assumesHTTP2 = false
    /// `http://` addresses are refused unless true; with true they are still never reached by a redirect from https.
    public var allowPlainHTTP = false

    /// The defaults; change what the upstream needs.
    public init() {}
}

/// What becomes of a 301, 302, 303, 307 or 308 answer.
public enum RedirectPolicy: Sendable, Equatable {
    /// The answer is handed back as it is, status and `Location` included.
    case refuse
    /// GET and HEAD follow up to `limit` redirects; for other methods the answer is handed back.
    /// Never from https to http. `Authorization`, `Cookie` and `Proxy-Authorization` are not sent to another origin,
    /// nor sent again if the chain comes back.
    case follow(limit: Int)
}

/// Which proxy carries a request.
public enum ProxyPolicy: Sendable, Equatable {
    /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` as curl reads them.
    case environment
    /// None, whatever the environment says.
    case none
    /// This one for every host (`http://`, `https://` or `socks5h://`); the environment's `no_proxy` does not apply.
    case url(String)
}

/// Which addresses may be dialled. Checked on the address itself when the socket is opened, and again before a request
/// is written on a reused connection; a name that resolves differently later (DNS rebinding) gains nothing.
///
/// Where a proxy is used the check applies to the hop to the proxy only: the proxy resolves and dials the target, so
/// the proxy must do its own filtering, and a proxy in a private network needs `.privateAllowed`.
public enum AddressPolicy: Sendable, Equatable {
    /// Globally reachable unicast addresses only: no loopback, link-local, cloud metadata, RFC 1918, unique local,
    /// shared (RFC 6598), unspecified, multicast, reserved, documentation or IPv4-mapped address.
    case publicOnly
    /// Any address: the upstream was declared private. A redirect to another origin still may not reach a
    /// link-local, metadata, unspecified or multicast address, nor a loopback one unless who redirects is at one itself.
    case privateAllowed
}
