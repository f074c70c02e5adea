import Curl
import Sigstore

/// `env: NAME`: an environment variable. It cannot rotate, so only for runs shorter than the token.
struct VariableTokens: TokenSourceKind {
    static let key = "env"
    let variable: String

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> VariableTokens? {
        token.string(key).map { VariableTokens(variable: $0) }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        EnvironmentTokenSource(variable: variable)
    }
}

/// `gitlab: {variable: NAME}`: the variable that a job's `id_tokens` fills.
struct GitLabTokens: TokenSourceKind {
    static let key = "gitlab"
    let variable: String

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> GitLabTokens? {
        token.sectionIfPresent(key) { GitLabTokens(variable: $0.string("variable") ?? "SIGSTORE_ID_TOKEN") }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        EnvironmentTokenSource(variable: variable)
    }
}

/// `circleci: {variable: NAME}`: the variable that every job has.
struct CircleCITokens: TokenSourceKind {
    static let key = "circleci"
    let variable: String

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> CircleCITokens? {
        token.sectionIfPresent(key) { CircleCITokens(variable: $0.string("variable") ?? "CIRCLE_OIDC_TOKEN_V2") }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        EnvironmentTokenSource(variable: variable)
    }
}
