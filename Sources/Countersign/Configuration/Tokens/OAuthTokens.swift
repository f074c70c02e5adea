import Curl
import Sigstore

/// A token endpoint of OAuth 2.0, and as whom it is asked.
struct OAuthConfiguration: Sendable, Equatable {
    /// The token endpoint.
    var endpoint: UpstreamConfiguration
    /// The client's id. Default none: a public endpoint.
    var clientID: String?
    /// Its secret. Default none.
    var clientSecret: Secret?
    /// Whether id and secret are form fields instead of HTTP basic. Default false.
    var secretInBody = false

    init(reading section: ConfigurationSection, _ reading: ConfigurationReading) {
        endpoint = reading.upstream(section)
        clientID = section.string("client_id")
        clientSecret = reading.secret(section, "client_secret")
        section.read("secret_in_body", into: &secretInBody)
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.upstream(path, endpoint)
        problems.check(
            clientSecret == nil || clientID != nil, "\(path).client_id", "is missing beside the client's secret")
        return problems.found
    }

    var client: OAuthClient {
        OAuthClient(
            url: endpoint.url, id: clientID, secret: clientSecret?.exposed, sendsSecretInBody: secretInBody)
    }
}

/// `client_credentials: {…}`: OAuth 2.0 client credentials.
struct ClientCredentialsTokens: TokenSourceKind {
    static let key = "client_credentials"
    let oauth: OAuthConfiguration
    /// What is asked for. Default none.
    let scope: String?
    /// Whether the audience is sent as a form field of that name. Default true; a server that knows it not ignores it.
    private(set) var sendsAudience = true
    /// Which token of the answer is used. Default `any`: `id_token` if there is one, else `access_token`.
    private(set) var answer: OAuthAnswer = .any

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> ClientCredentialsTokens? {
        token.sectionIfPresent(key) { section in
            var tokens = ClientCredentialsTokens(
                oauth: OAuthConfiguration(reading: section, reading), scope: section.string("scope"))
            section.read("send_audience", into: &tokens.sendsAudience)
            section.read("answer", into: &tokens.answer)
            return tokens
        }
    }

    private init(oauth: OAuthConfiguration, scope: String?) {
        self.oauth = oauth
        self.scope = scope
    }

    func problems(at path: String) -> [ConfigurationProblem] { oauth.problems(at: path) }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        ClientCredentialsTokenSource(
            oauth.client, scope: scope, parameters: sendsAudience ? [("audience", audience)] : [], answer: answer,
            http: http, route: oauth.endpoint.route)
    }
}

/// `token_exchange: {…}`: RFC 8693, for the token of another source.
struct ExchangedTokens: TokenSourceKind {
    static let key = "token_exchange"
    let oauth: OAuthConfiguration
    let exchange: TokenExchangeTokenSource.Exchange
    let subject: IdentityConfiguration.TokenSource
    /// What the other source's token is asked for. Default: the audience of ours.
    let subjectAudience: String

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> ExchangedTokens? {
        token.sectionIfPresent(key) { section in
            var exchange = TokenExchangeTokenSource.Exchange()
            section.read("subject_token_type", into: &exchange.subjectTokenType, "text") { $0 }
            if let type = section.string("requested_token_type") { exchange.requestedTokenType = type }
            exchange.resource = section.string("resource")
            let subject = section.section("subject_token") { reading.tokenSource($0, isRequired: true) }
            let oauth = OAuthConfiguration(reading: section, reading)
            exchange.scope = section.string("scope")
            return ExchangedTokens(
                oauth: oauth, exchange: exchange, subject: subject,
                subjectAudience: section.string("subject_audience") ?? "")
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        oauth.problems(at: path) + subject.problems(at: "\(path).subject_token")
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        TokenExchangeTokenSource(
            oauth.client,
            subject: subject.source(audience: subjectAudience.isEmpty ? audience : subjectAudience, http: http),
            exchange: exchange, audience: audience, http: http, route: oauth.endpoint.route)
    }
}
