import Curl
import Sigstore

/// `github_actions: {…}`: the runner's own service.
struct GitHubActionsTokens: TokenSourceKind {
    static let key = "github_actions"
    let service: UpstreamConfiguration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> GitHubActionsTokens? {
        token.sectionIfPresent(key) { GitHubActionsTokens(service: reading.service($0)) }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.service(path, service)
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        GitHubActionsTokenSource(audience: audience, http: http, route: service.route)
    }
}
