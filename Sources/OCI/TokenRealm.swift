internal import Curl

/// Where a Bearer challenge sends us for a token, after the decision whether we go, and with what.
///
/// A registry chooses this URL, and a hostile one would choose an address that collects credentials or reaches into
/// our network (CVE-2020-15157 and its relatives). So: https, or plain http only at the registry's own origin or at a
/// listed one; credentials only at those two; any other host is asked anonymously and only at a public address.
struct TokenRealm: Sendable, Equatable {
    let url: RemoteURL
    let service: String?
    /// Never follows a redirect, whatever the registry's own route allows.
    let route: HTTPRoute
    /// May see credentials.
    private let isTrusted: Bool

    /// - Throws: ``OCIError/tokenRealmRefused(realm:_:)`` also where these `credentials` would have to be shown to it.
    init(_ challenge: Challenge, of endpoint: RegistryEndpoint, presenting credentials: Credentials) throws(OCIError) {
        guard let realm = challenge.parameters["realm"] else {
            throw .challengeMalformed(challenge.scheme, "Bearer without realm")
        }
        guard let url = RemoteURL(realm) else {
            throw .tokenRealmRefused(realm: realm, "not an absolute http or https URL without user name")
        }
        let isTrusted = url.origin == endpoint.base.origin || endpoint.tokenRealms.contains(url.origin)
        guard url.scheme == .https || isTrusted else {
            throw .tokenRealmRefused(realm: realm, "plain http at another origin than the registry's")
        }
        var route = endpoint.route
        route.redirects = .refuse
        route.maxResponseBytes = 256 << 10
        route.allowPlainHTTP = url.scheme == .http
        if !isTrusted { route.addresses = .publicOnly }
        self.url = url
        self.service = challenge.parameters["service"]
        self.route = route
        self.isTrusted = isTrusted
        try check(credentials)
    }

    /// Whether `credentials` may be shown here. Asked each time: where none were needed yesterday, there may be some today.
    func check(_ credentials: Credentials) throws(OCIError) {
        guard isTrusted || credentials == .anonymous else {
            throw .tokenRealmRefused(
                realm: "\(url)",
                "credentials are not shown to \(url.origin); list it as an allowed token realm if it is right")
        }
    }
}

/// What a token is good for (distribution "Token Scope Documentation"): `repository:<name>:pull[,push]`, or `:delete`.
///
/// Always our own words, never the scope of the challenge: a registry does not decide what we ask for.
struct TokenScope: Hashable, Sendable, CustomStringConvertible {
    enum Access: String, Sendable {
        case pull
        case pullPush = "pull,push"
        case delete
        /// The list of all repositories.
        case catalog
    }

    let repository: String
    let access: Access

    /// What the list of repositories asks for.
    static let catalog = TokenScope(repository: "catalog", access: .catalog)

    var description: String {
        access == .catalog ? "registry:catalog:*" : "repository:\(repository):\(access.rawValue)"
    }
}
