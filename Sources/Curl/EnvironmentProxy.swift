internal import Glibc

/// The proxies that the environment names for libcurl.
enum EnvironmentProxy {
    private static let variables = ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]

    /// Whether one of them is on this host. libcurl does not say whether a connection is to a proxy: where one is here, a
    /// peer on loopback may be that, on its way to whatever host a redirect names.
    static var isOnLoopback: Bool { isOnLoopback { name in getenv(name).map { String(cString: $0) } } }

    static func isOnLoopback(_ value: (String) -> String?) -> Bool {
        variables.contains { value($0).map(isLoopback) ?? false }
    }

    /// `[scheme://][user[:password]@]host[:port][/]`, as libcurl reads it.
    private static func isLoopback(_ proxy: String) -> Bool {
        var rest = proxy[...]
        if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
        rest = rest.prefix { $0 != "/" }
        if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
        let host = rest.hasPrefix("[") ? rest.dropFirst().prefix { $0 != "]" } : rest.prefix { $0 != ":" }
        return host.lowercased() == "localhost" || PeerAddress(String(host))?.isLoopback == true
    }
}
