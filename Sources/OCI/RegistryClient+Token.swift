internal import Curl

extension AccessToken {
    /// Fetches a token from `realm`: `GET ?service&scope` (distribution "Token Authentication Specification"), with
    /// Basic credentials if there are any, or `POST grant_type=refresh_token` for an identity token
    /// ("OAuth2 Token Authentication").
    static func fetch(
        from realm: TokenRealm, scope: TokenScope?, as credentials: Credentials, at now: ContinuousClock.Instant,
        http: HTTPClient
    ) async throws(OCIError) -> AccessToken {
        try realm.check(credentials)
        let request = request(for: realm, scope: scope, as: credentials)
        let operation = "\(request.method.rawValue) \(realm.url.origin)\(realm.url.path)"
        let response: HTTPResponse
        do { response = try await http.send(request) } catch { throw .transport(operation: operation, error) }
        guard response.status == 200 else { throw RegistryAnswer(operation, response).error }
        return try AccessToken(answer: response.body, at: now)
    }

    static func request(for realm: TokenRealm, scope: TokenScope?, as credentials: Credentials) -> HTTPRequest {
        var items: [(String, String)] = []
        if let service = realm.service { items.append(("service", service)) }
        if let scope { items.append(("scope", "\(scope)")) }
        if case .identityToken(let token) = credentials {
            items += [("grant_type", "refresh_token"), ("client_id", "countersign"), ("refresh_token", token.value)]
            var request = HTTPRequest(
                .post, "\(realm.url)", headers: ["Content-Type": "application/x-www-form-urlencoded"],
                body: Array(items.formEncoded.utf8), route: realm.route)
            request.secrets = [token.value]
            return request
        }
        var headers: HTTPHeaders = [:]
        if case .basic(let username, let password) = credentials {
            headers["Authorization"] = Credentials.basicField(username, password)
        }
        let separator = realm.url.query == nil ? "?" : "&"
        let query = items.isEmpty ? "" : separator + items.formEncoded
        return HTTPRequest(.get, "\(realm.url)\(query)", headers: headers, route: realm.route)
    }
}

extension [(String, String)] {
    fileprivate var formEncoded: String {
        map { "\($0.0.percentEncoded)=\($0.1.percentEncoded)" }.joined(separator: "&")
    }
}
