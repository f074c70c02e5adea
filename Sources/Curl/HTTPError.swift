/// Why there is no answer. Texts carry addresses without user names and queries, and never a header value.
public enum HTTPError: Error, Sendable, Equatable {
    /// The request cannot be written as asked; nothing was dialled.
    case invalidRequest(url: String, reason: String)
    /// An `http://` address on a route that does not allow it; nothing was dialled.
    case plainHTTPRefused(url: String)
    /// The host's address is not one this route may dial; `kind` names the range.
    case addressDenied(url: String, address: String, kind: String)
    /// The host's (or proxy's) name has no address.
    case unresolved(url: String, detail: String)
    /// No connection: refused, unreachable, the proxy declined, or the TLS handshake broke off.
    case unreachable(url: String, detail: String)
    /// The server's certificate is not trusted, or the configured CA file cannot be used.
    case untrusted(url: String, detail: String)
    /// A timeout of the route passed.
    case timedOut(url: String, phase: Phase, limit: Duration)
    /// The connection broke, or spoke something that is not HTTP, after the request may have been sent.
    case interrupted(url: String, detail: String)
    /// The body is longer than the route accepts.
    case bodyTooLarge(url: String, limit: Int)
    /// The header section is longer than the route accepts.
    case headersTooLarge(url: String, limit: Int)
    /// A redirect that the policy does not follow: the reason, and where it pointed.
    case redirectRefused(url: String, location: String, reason: String)
    /// The calling task was cancelled.
    case cancelled(url: String, answerMayBeLost: Bool)
    /// The client was shut down.
    case shutDown(url: String, answerMayBeLost: Bool)
    /// libcurl itself failed (no memory, no thread, an option it does not know); nothing was sent.
    case engine(detail: String)
    /// The upstream's gate did not let the request out; nothing was dialled.
    case withheld(Withheld)

    /// Where a timeout struck.
    public enum Phase: String, Sendable {
        /// No request had been written yet.
        case connecting
        /// The request may have been read and acted on.
        case answering
    }

    /// Stable name for logs, metrics and stored failures.
    public var code: String {
        switch self {
        case .invalidRequest: "http.invalid_request"
        case .plainHTTPRefused: "http.plain_refused"
        case .addressDenied: "http.address_denied"
        case .unresolved: "http.unresolved"
        case .unreachable: "http.unreachable"
        case .untrusted: "http.untrusted"
        case .timedOut: "http.timeout"
        case .interrupted: "http.interrupted"
        case .bodyTooLarge: "http.body_too_large"
        case .headersTooLarge: "http.headers_too_large"
        case .redirectRefused: "http.redirect_refused"
        case .cancelled: "http.cancelled"
        case .shutDown: "http.shut_down"
        case .engine: "http.engine"
        case .withheld(let refusal): refusal.code
        }
    }

    /// True when the same request may succeed later with nothing changed on our side.
    public var isTransient: Bool {
        switch self {
        case .unresolved, .unreachable, .timedOut, .interrupted, .shutDown, .engine, .withheld: true
        case .invalidRequest, .plainHTTPRefused, .addressDenied, .untrusted, .bodyTooLarge, .headersTooLarge,
            .redirectRefused, .cancelled:
            false
        }
    }

    /// True when the server may have acted on the request although no whole answer arrived: look before sending again.
    public var answerMayBeLost: Bool {
        switch self {
        case .timedOut(_, let phase, _): phase == .answering
        case .interrupted, .bodyTooLarge, .headersTooLarge: true
        case .cancelled(_, let maybe), .shutDown(_, let maybe): maybe
        // only GET and HEAD are redirected, and the answer that redirected them was read
        case .redirectRefused: false
        case .invalidRequest, .plainHTTPRefused, .addressDenied, .unresolved, .unreachable, .untrusted, .engine,
            .withheld:
            false
        }
    }
}

extension HTTPError: CustomStringConvertible {
    /// One line saying what was seen.
    public var description: String {
        switch self {
        case .invalidRequest(let url, let reason): "invalid request to \(url): \(reason)"
        case .plainHTTPRefused(let url): "\(url) is plain http, which this upstream does not allow"
        case .addressDenied(let url, let address, let kind):
            "\(url) leads to \(address), a \(kind) address, which this upstream may not use"
        case .unresolved(let url, let detail): "no address for \(url): \(detail)"
        case .unreachable(let url, let detail): "cannot connect to \(url): \(detail)"
        case .untrusted(let url, let detail): "\(url) is not trusted: \(detail)"
        case .timedOut(let url, let phase, let limit): "\(url) timed out while \(phase.rawValue), after \(limit)"
        case .interrupted(let url, let detail): "\(url) broke off: \(detail)"
        case .bodyTooLarge(let url, let limit): "the answer of \(url) has more than \(limit) body bytes"
        case .headersTooLarge(let url, let limit): "the answer of \(url) has more than \(limit) header bytes"
        case .redirectRefused(let url, let location, let reason):
            "\(url) redirects to \(location), which is not followed: \(reason)"
        case .cancelled(let url, _): "the request to \(url) was cancelled"
        case .shutDown(let url, _): "the request to \(url) was given up: the HTTP client is shut down"
        case .engine(let detail): "the HTTP engine failed: \(detail)"
        case .withheld(let refusal): "not sent: \(refusal.observed)"
        }
    }
}
