public import Curl

/// An Entra ID token of an application or managed identity, for a federated token that the workload holds as a file: what
/// AKS workload identity gives a pod, exchanged at Entra's token endpoint (OAuth 2.0 client credentials with a client
/// assertion, RFC 7523 §2.2).
public struct AzureTokenSource: IdentityTokenSource {
    /// As whom, and for what; nil takes what AKS's webhook set in the environment.
    public struct Application: Sendable, Equatable {
        /// Directory; `AZURE_TENANT_ID`.
        public var tenant: String?
        /// Application; `AZURE_CLIENT_ID`.
        public var client: String?
        /// The federated token; `AZURE_FEDERATED_TOKEN_FILE`.
        public var tokenFile: String?
        /// `AZURE_AUTHORITY_HOST`, else the public cloud's.
        public var authority: String?
        /// What is asked for; nil: the audience with `/.default`.
        public var scope: String?

        /// All as the environment says.
        public init() {}
    }

    private let application: Application
    private let audience: String
    private let environment: EnvironmentReader
    private let service: TokenService

    /// A source for access tokens whose audience Fulcio expects. Entra's tokens of version 2 name the application that the
    /// scope belongs to by its id: that id is then the audience.
    public init(
        _ application: Application, audience: String, http: HTTPClient, route: HTTPRoute = .init(),
        environment: EnvironmentReader = .process
    ) {
        self.application = application
        self.audience = audience
        self.environment = environment
        service = TokenService("Entra ID", http: http, route: route)
    }

    public var description: String { "Entra ID with a federated token" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let tenant = try value(application.tenant, "AZURE_TENANT_ID")
        let client = try value(application.client, "AZURE_CLIENT_ID")
        let file = try value(application.tokenFile, "AZURE_FEDERATED_TOKEN_FILE")
        let authority =
            application.authority ?? environment["AZURE_AUTHORITY_HOST"] ?? "https://login.microsoftonline.com"
        let base = authority.hasSuffix("/") ? String(authority.dropLast()) : authority
        let assertion = try await FileTokenSource(path: file).token()
        let response = try await service.post(
            "\(base)/\(TokenService.escape(tenant))/oauth2/v2.0/token",
            form: [
                ("grant_type", "client_credentials"), ("client_id", client),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion.withBearer { $0 }),
                ("scope", application.scope ?? "\(audience)/.default"),
            ])
        return try service.token(try service.text("access_token", in: response))
    }

    private func value(_ configured: String?, _ variable: String) throws(SigstoreError) -> String {
        if let configured { return configured }
        return try environment.required(variable, for: description, setBy: "AKS workload identity")
    }
}
