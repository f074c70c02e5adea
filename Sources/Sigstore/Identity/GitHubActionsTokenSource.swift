public import Curl

/// The token of a GitHub Actions job that has the permission `id-token: write`, asked of the runner's own service.
public struct GitHubActionsTokenSource: IdentityTokenSource {
    private let audience: String
    private let environment: EnvironmentReader
    private let service: TokenService

    /// A source for tokens with that audience.
    public init(
        audience: String, http: HTTPClient, route: HTTPRoute = .init(), environment: EnvironmentReader = .process
    ) {
        self.audience = audience
        self.environment = environment
        service = TokenService("GitHub Actions", http: http, route: route)
    }

    public var description: String { "GitHub Actions" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let origin = "a job with `permissions: id-token: write`"
        let url = try environment.required("ACTIONS_ID_TOKEN_REQUEST_URL", for: description, setBy: origin)
        let bearer = try environment.required("ACTIONS_ID_TOKEN_REQUEST_TOKEN", for: description, setBy: origin)
        let response = try await service.get(
            TokenService.adding("audience", audience, to: url),
            headers: ["Authorization": "Bearer \(bearer)", "Accept": "application/json; api-version=2.0"])
        return try service.token(try service.text("value", in: response))
    }
}
