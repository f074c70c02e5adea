internal import Glibc

/// Proxies on this host. libcurl does not say whether a connection is to a proxy; where one listens on loopback, its port
/// tells it from what else is bound there.
enum LoopbackProxy {
    /// The ports of this host on which proxies of that policy listen.
    static func ports(_ policy: ProxyPolicy) -> Set<Int> {
        switch policy {
        case .none: []
        case .url(let url): port(of: url).map { [$0] } ?? []
        case .environment: ofEnvironment
        }
    }

    private static let ofEnvironment = ports { name in getenv(name).map { String(cString: $0) } }

    /// Of the proxies that the environment names for libcurl.
    static func ports(_ value: (String) -> String?) -> Set<Int> {
        let variables = ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]
        return Set(variables.compactMap(value).compactMap(port))
    }

    /// Of `[scheme://][user[:password]@]host[:port][/]`, as libcurl reads it; nil if the host is another.
    private static func port(of proxy: String) -> Int? {
        var rest = proxy[...]
        var usual = 1080
        if let scheme = rest.firstRange(of: "://") {
            if rest[..<scheme.lowerBound].lowercased() == "https" { usual = 443 }
            rest = rest[scheme.upperBound...]
        }
        rest = rest.prefix { $0 != "/" }
        if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
        let host = rest.hasPrefix("[") ? rest.dropFirst().prefix { $0 != "]" } : rest.prefix { $0 != ":" }
        guard host.lowercased() == "localhost" || PeerAddress(String(host))?.isLoopback == true else { return nil }
        let colon = rest.lastIndex(of: ":").flatMap { $0 >= host.endIndex ? $0 : nil }
        return colon.map { Int(rest[rest.index(after: $0)...]) } ?? usual
    }
}
