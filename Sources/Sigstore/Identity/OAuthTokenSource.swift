public import Curl
import OpenSSL
import StrictJSON

/// Who asks an OAuth 2.0 token endpoint, and how it proves it (RFC 6749 §2.3.1).
public struct OAuthClient: Sendable, CustomStringConvertible, CustomReflectable {
    /// The token endpoint.
    public let url: String
    /// The client's id; nil for a public endpoint.
    public let id: String?
    let secret: String?
    private let sendsSecretInBody: Bool

    /// A client; with `sendsSecretInBody` id and secret are form fields (`client_secret_post`), else HTTP basic.
    public init(url: String, id: String?, secret: String?, sendsSecretInBody: Bool = false) {
        self.url = url
        self.id = id
        self.secret = secret
        self.sendsSecretInBody = sendsSecretInBody
    }

    /// The endpoint and the id.
    public var description: String { "\(url)\(id.map { " as \($0)" } ?? "")" }

    /// Nothing: reflection must not show what the description hides.
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// Adds what proves the client to a request.
    func authenticate(_ form: inout [(String, String)], _ headers: inout HTTPHeaders) {
        guard let id else { return }
        guard let secret else {
            form.append(("client_id", id))
            return
        }
        if sendsSecretInBody {
            form += [("client_id", id), ("client_secret", secret)]
        } else {
            // both are form-encoded before they are joined, which many libraries forget and few servers miss
            let pair = "\(TokenService.escape(id)):\(TokenService.escape(secret))"
            headers["Authorization"] = "Basic \(Base64.encode(Array(pair.utf8)))"
        }
    }
}

/// Which token of an OAuth answer is taken to Fulcio.
public enum OAuthAnswer: String, Sendable, CaseIterable {
    /// `id_token` if there is one, else `access_token`.
    case any
    case idToken = "id_token"
    case accessToken = "access_token"

    func token(in response: HTTPResponse, of service: TokenService) throws(SigstoreError) -> IdentityToken {
        let document = try service.document(response)
        let names =
            switch self {
            case .any: ["id_token", "access_token"]
            default: [rawValue]
            }
        guard let text = names.lazy.compactMap({ document.value[$0]?.text }).first(where: { !$0.isEmpty }) else {
            throw service.bad("no \(names.joined(separator: " and no "))")
        }
        return try service.token(text)
    }
}

/// A token for ourselves: the client credentials grant (RFC 6749 §4.4), as Keycloak, Okta, Auth0, Dex and others give it.
public struct ClientCredentialsTokenSource: IdentityTokenSource {
    private let client: OAuthClient
    private let scope: String?
    private let parameters: [(String, String)]
    private let answer: OAuthAnswer
    private let service: TokenService

    /// A source; `parameters` are further form fields (`audience` or `resource`, where the server wants them).
    public init(
        _ client: OAuthClient, scope: String? = nil, parameters: [(String, String)] = [], answer: OAuthAnswer = .any,
        http: HTTPClient, route: HTTPRoute = .init()
    ) {
        self.client = client
        self.scope = scope
        self.parameters = parameters
        self.answer = answer
        service = TokenService(
            "OAuth server \(client.url)", http: http, route: route, secrets: [client.secret].compactMap { $0 })
    }

    public var description: String { "client credentials at \(client)" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        var form = [("grant_type", "client_credentials")]
        if let scope { form.append(("scope", scope)) }
        form += parameters
        var headers: HTTPHeaders = [:]
        client.authenticate(&form, &headers)
        return try answer.token(in: try await service.post(client.url, form: form, headers: headers), of: service)
    }
}

/// A token in exchange for another one (RFC 8693), for instance one that the workload's platform gave.
public struct TokenExchangeTokenSource: IdentityTokenSource {
    /// What is given and what is wanted, as RFC 8693 §3 names kinds of tokens.
    public struct Exchange: Sendable, Equatable {
        /// Kind of the token that is given.
        public var subjectTokenType = "urn:ietf:params:oauth:token-type:jwt"
        /// Kind of the token that is wanted.
        public var requestedTokenType: String? = "urn:ietf:params:oauth:token-type:id_token"
        /// Where it shall be used, if the server wants an address.
        public var resource: String?
        /// Scope, if the server wants one.
        public var scope: String?

        /// A JWT for an identity token.
        public init() {}
    }

    private let client: OAuthClient
    private let subject: any IdentityTokenSource
    private let exchange: Exchange
    private let audience: String
    private let service: TokenService

    /// A source that gives a token of `subject` for one with that audience.
    public init(
        _ client: OAuthClient, subject: any IdentityTokenSource, exchange: Exchange = .init(), audience: String,
        http: HTTPClient, route: HTTPRoute = .init()
    ) {
        self.client = client
        self.subject = subject
        self.exchange = exchange
        self.audience = audience
        service = TokenService(
            "OAuth server \(client.url)", http: http, route: route, secrets: [client.secret].compactMap { $0 })
    }

    public var description: String { "token exchange at \(client) for the token of \(subject.description)" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let given = try await subject.token()
        var form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", given.withBearer { $0 }), ("subject_token_type", exchange.subjectTokenType),
            ("audience", audience),
        ]
        if let type = exchange.requestedTokenType { form.append(("requested_token_type", type)) }
        if let resource = exchange.resource { form.append(("resource", resource)) }
        if let scope = exchange.scope { form.append(("scope", scope)) }
        var headers: HTTPHeaders = [:]
        client.authenticate(&form, &headers)
        let response = try await service.post(client.url, form: form, headers: headers)
        // §2.2.1: whatever its kind, the token is in access_token, also when it is no access token
        return try service.token(try service.text("access_token", in: response))
    }
}
