package import Sigstore

extension IdentityConfiguration {
    /// Where identity tokens come from: one kind, with what it needs.
    package indirect enum TokenSource: Sendable, Equatable {
        /// A file that rotates, such as a projected Kubernetes service-account token.
        case file(String)
        /// A rotating file whose path a variable names: IRSA's, AKS's.
        case namedFile(variable: String)
        /// An environment variable: cannot rotate, so only for runs shorter than the token. GitLab's and CircleCI's too.
        case environment(String)
        /// TokenRequest at the API server.
        case kubernetes(KubernetesTokenSource.Account, server: UpstreamConfiguration)
        /// The runner's own service.
        case githubActions(UpstreamConfiguration)
        /// Buildkite's API, as the job.
        case buildkite(UpstreamConfiguration)
        /// Google's metadata server; with `impersonate` IAM Credentials, for that account.
        case google(account: String, impersonate: String?, service: UpstreamConfiguration)
        /// Entra ID, for the federated token of AKS workload identity.
        case azure(AzureTokenSource.Application, UpstreamConfiguration)
        /// STS `GetWebIdentityToken`.
        case aws(AWSTokenSource.Request, UpstreamConfiguration)
        /// The SPIFFE Workload API.
        case spiffe(socket: String?, id: String?, timeout: Duration)
        /// OAuth 2.0 client credentials.
        case clientCredentials(OAuthConfiguration)
        /// RFC 8693, for the token of another source.
        case tokenExchange(
            OAuthConfiguration, TokenExchangeTokenSource.Exchange, subject: TokenSource, subjectAudience: String)
        /// A program.
        case exec(ExecTokenSource.Program)
        /// The first well-known place that has one.
        case auto
    }
}

/// A token endpoint of OAuth 2.0, and as whom it is asked.
package struct OAuthConfiguration: Sendable, Equatable {
    /// The token endpoint.
    package var endpoint: UpstreamConfiguration
    /// The client's id. Default none: a public endpoint.
    package var clientID: String?
    /// Its secret. Default none.
    package var clientSecret: Secret?
    /// Whether id and secret are form fields instead of HTTP basic. Default false.
    package var secretInBody = false
    /// What is asked for. Default none.
    package var scope: String?
    /// Whether the audience is sent as a form field of that name. Default true; a server that knows it not ignores it.
    package var sendsAudience = true
    /// Which token of the answer is used. Default `any`: `id_token` if there is one, else `access_token`.
    package var answer: OAuthAnswer = .any

    package init(endpoint: UpstreamConfiguration) { self.endpoint = endpoint }
}
