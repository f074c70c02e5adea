/// How one service is reached: a registry, Fulcio, a timestamp authority, Rekor.
package struct UpstreamConfiguration: Sendable, Equatable {
    /// The base that is dialled, `https://host[:port][/path]`. `http://` needs `plainHTTP`.
    package var url: String
    /// The longest a connect with its TLS handshake may take. Default 5 s.
    package var connectTimeout: Duration = .seconds(5)
    /// The longest a whole exchange may take. Default 30 s; then the job waits and tries again.
    package var timeout: Duration = .seconds(30)
    /// PEM certificates trusted instead of the system's. Default none: the system's.
    package var caFile: String?
    /// The way out. Default `environment`.
    package var proxy: Proxy = .environment
    /// Whether it may live on a private, loopback or link-local address. Default false: such an address is refused
    /// at connect time, whatever the name resolved to (a name that suddenly points inside is an attack).
    package var privateNetwork = false
    /// Whether `http://` is meant. Default false. True sends credentials in clear over that network.
    package var plainHTTP = false

    package init(url: String) { self.url = url }

    package enum Proxy: Sendable, Equatable {
        /// As `https_proxy` and `no_proxy` say.
        case environment
        case none
        case url(String)
    }
}
