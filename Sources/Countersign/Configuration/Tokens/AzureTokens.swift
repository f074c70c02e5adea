import Curl
import Sigstore

/// `azure: {…}`: Entra ID, for the federated token of AKS workload identity.
struct AzureTokens: TokenSourceKind {
    static let key = "azure"
    let application: AzureTokenSource.Application
    let service: UpstreamConfiguration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> AzureTokens? {
        token.sectionIfPresent(key) { section in
            var application = AzureTokenSource.Application()
            application.tenant = section.string("tenant")
            application.client = section.string("client_id")
            application.tokenFile = section.string("token_file").map(reading.path)
            application.authority = section.string("url")
            application.scope = section.string("scope")
            return AzureTokens(application: application, service: reading.service(section))
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.service(path, service)
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        AzureTokenSource(application, audience: audience, http: http, route: service.route)
    }
}

/// `azure_federated_token: {}`: the rotating file that AKS names in a variable.
struct AzureFederatedTokens: TokenSourceKind {
    static let key = "azure_federated_token"

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> AzureFederatedTokens? {
        token.sectionIfPresent(key) { _ in AzureFederatedTokens() }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        NamedFileTokenSource(variable: "AZURE_FEDERATED_TOKEN_FILE")
    }
}
