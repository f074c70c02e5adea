public import Curl

/// One configured registry: its name, where it is dialled, and what it may be shown.
public struct RegistryEndpoint: Sendable {
    /// The canonical external name (`host[:port]`) that references use; need not be the address dialled.
    public let name: String
    /// The base URL dialled, e.g. `https://registry.example.com`.
    public let url: String
    /// Timeouts, TLS, proxy and address policy of this registry.
    public let route: HTTPRoute
    /// What is presented when the registry asks.
    public let credentials: any CredentialSource
    let base: RemoteURL
    let tokenRealms: Set<RemoteURL.Origin>

    /// A registry.
    /// - Parameters:
    ///   - url: scheme, host and optional port; a path is a prefix before `/v2/`. `http://` only with
    ///     `route.allowPlainHTTP`.
    ///   - allowedTokenRealms: origins besides the registry's own that may see its credentials:
    ///     `auth.example.com`, `auth.example.com:8443` (both https) or `http://…`. Docker Hub needs `auth.docker.io`.
    /// - Throws: `OCIError.endpointMalformed`.
    public init(
        name: String, url: String, route: HTTPRoute = .init(),
        credentials: any CredentialSource = Credentials.anonymous, allowedTokenRealms: [String]? = nil
    ) throws(OCIError) {
        guard let base = RemoteURL(url), base.query == nil else {
            throw .endpointMalformed(url, "not an http or https URL without query")
        }
        guard base.scheme == .https || route.allowPlainHTTP else {
            throw .endpointMalformed(url, "plain http is not declared for this registry")
        }
        var realms: Set<RemoteURL.Origin> = []
        for realm in allowedTokenRealms ?? [] {
            guard let origin = RemoteURL(realm.contains("://") ? realm : "https://\(realm)")?.origin else {
                throw .endpointMalformed(realm, "not an allowed token realm: host[:port] or an origin")
            }
            realms.insert(origin)
        }
        self.name = name
        self.url = url
        self.route = route
        self.credentials = credentials
        self.base = base
        self.tokenRealms = realms
    }

    /// The URL of an API path that begins with `/v2/`.
    func url(_ path: String) -> RemoteURL? {
        let prefix = base.path.hasSuffix("/") ? String(base.path.dropLast()) : base.path
        return base.resolving(prefix + path)
    }
}
