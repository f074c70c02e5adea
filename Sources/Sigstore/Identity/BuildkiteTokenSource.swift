public import Curl
import StrictJSON

/// The token of a Buildkite job, asked of Buildkite with the job's own access token: what
/// `buildkite-agent oidc request-token` does.
public struct BuildkiteTokenSource: IdentityTokenSource {
    private let audience: String
    private let environment: EnvironmentReader
    private let service: TokenService

    /// A source for tokens with that audience.
    public init(
        audience: String, http: HTTPClient, route: HTTPRoute = .init(), environment: EnvironmentReader = .process
    ) {
        self.audience = audience
        self.environment = environment
        service = TokenService("Buildkite", http: http, route: route)
    }

    public var description: String { "Buildkite" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let origin = "a Buildkite job"
        let access = try environment.required("BUILDKITE_AGENT_ACCESS_TOKEN", for: description, setBy: origin)
        let job = try environment.required("BUILDKITE_JOB_ID", for: description, setBy: origin)
        let endpoint = environment["BUILDKITE_AGENT_ENDPOINT"] ?? "https://agent.buildkite.com/v3"
        let base = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
        let response = try await service.post(
            "\(base)/jobs/\(TokenService.escape(job))/oidc/tokens", .object(["audience": .string(audience)]),
            headers: ["Authorization": "Token \(access)"])
        return try service.token(try service.text("token", in: response))
    }
}
