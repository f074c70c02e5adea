import Curl
import Sigstore

/// `buildkite: {…}`: Buildkite's API, as the job.
struct BuildkiteTokens: TokenSourceKind {
    static let key = "buildkite"
    let service: UpstreamConfiguration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> BuildkiteTokens? {
        token.sectionIfPresent(key) { BuildkiteTokens(service: reading.service($0)) }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.service(path, service)
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        BuildkiteTokenSource(audience: audience, http: http, route: service.route)
    }
}
