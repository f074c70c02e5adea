package import Curl
package import Sigstore

extension IdentityConfiguration.TokenSource {
    /// Where tokens for `audience` are taken from, anew for each; sources that ask a service do so through `http`.
    package func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        switch self {
        case .file(let path): FileTokenSource(path: path)
        case .namedFile(let variable): NamedFileTokenSource(variable: variable)
        case .environment(let name): EnvironmentTokenSource(variable: name)
        case .kubernetes(let account, let server):
            KubernetesTokenSource(
                server: server.url, account: account, audience: audience, http: http, route: server.route)
        case .githubActions(let service):
            GitHubActionsTokenSource(audience: audience, http: http, route: service.route)
        case .buildkite(let service): BuildkiteTokenSource(audience: audience, http: http, route: service.route)
        case .google(let account, nil, let service):
            GoogleMetadataTokenSource(account: account, audience: audience, http: http, route: service.route)
        case .google(let account, let target?, let service):
            GoogleImpersonatedTokenSource(
                target: target, account: account, audience: audience, http: http, route: service.route,
                url: service.url)
        case .azure(let application, let service):
            AzureTokenSource(application, audience: audience, http: http, route: service.route)
        case .aws(let request, let service):
            AWSTokenSource(request, audience: audience, http: http, route: service.route)
        case .spiffe(let socket, let id, let timeout):
            SPIFFETokenSource(socket: socket, id: id, audience: audience, http: http, route: .within(timeout))
        case .clientCredentials(let oauth):
            ClientCredentialsTokenSource(
                oauth.client, scope: oauth.scope, parameters: oauth.sendsAudience ? [("audience", audience)] : [],
                answer: oauth.answer, http: http, route: oauth.endpoint.route)
        case .tokenExchange(let oauth, let exchange, let subject, let subjectAudience):
            TokenExchangeTokenSource(
                oauth.client,
                subject: subject.source(audience: subjectAudience.isEmpty ? audience : subjectAudience, http: http),
                exchange: exchange, audience: audience, http: http, route: oauth.endpoint.route)
        case .exec(let program): ExecTokenSource(program, audience: audience)
        case .auto: AmbientTokenSource(audience: audience, http: http)
        }
    }
}

extension OAuthConfiguration {
    fileprivate var client: OAuthClient {
        OAuthClient(
            url: endpoint.url, id: clientID, secret: clientSecret?.exposed, sendsSecretInBody: secretInBody)
    }
}

extension HTTPRoute {
    fileprivate static func within(_ timeout: Duration) -> HTTPRoute {
        var route = HTTPRoute()
        route.totalTimeout = timeout
        return route
    }
}
