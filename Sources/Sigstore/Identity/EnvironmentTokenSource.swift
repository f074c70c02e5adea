/// An environment variable, for continuous-integration jobs and trials; it cannot rotate within a process.
///
/// GitLab sets the variable that a job declares under `id_tokens:` (`SIGSTORE_ID_TOKEN` by convention), CircleCI sets
/// `CIRCLE_OIDC_TOKEN_V2` (whose audience is the organisation unless the job asks for another).
public struct EnvironmentTokenSource: IdentityTokenSource {
    /// The variable's name.
    public let variable: String
    private let environment: EnvironmentReader

    /// A source over an environment variable.
    public init(variable: String, environment: EnvironmentReader = .process) {
        self.variable = variable
        self.environment = environment
    }

    public var description: String { "environment variable \(variable)" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        guard let value = environment[variable] else {
            throw .identity(.missing(source: description, detail: "not set or empty"))
        }
        return try IdentityToken(value)
    }
}
