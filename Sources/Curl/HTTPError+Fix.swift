extension HTTPError {
    /// What an operator can do about it, where nobody knows better what was asked of whom.
    public var fix: String {
        switch self {
        case .invalidRequest: "correct the URL"
        case .plainHTTPRefused: "write https://, or allow plain http where that is meant (plain_http, --plain-http)"
        case .addressDenied: "allow private addresses where that is meant (private_network, --private-network)"
        case .unresolved: "see that the name is right, and the DNS and proxy of this machine"
        case .unreachable: "see that it is up and reachable from here"
        case .untrusted: "give the certificates that it must chain to (ca_file, --ca-file)"
        case .timedOut: "see why it is slow; it may be given longer"
        case .interrupted: "see its own log, and that the port is right"
        case .bodyTooLarge, .headersTooLarge: "see that the URL is that service"
        case .redirectRefused: "name the address that it redirects to, if that is right"
        case .cancelled, .shutDown: "nothing: we stopped asking"
        case .engine: "see memory and threads of this machine"
        case .withheld: "nothing: it is asked again by itself"
        }
    }
}
