internal import Curl

/// Finds the `Authorization` field for one registry's requests.
///
/// Nothing is presented before the registry asks. After its first challenge the scheme is remembered, so that later
/// requests carry their field at once; tokens are cached by scope, and concurrent requests share one token call.
actor Authorizer {
    /// What the registry last asked for.
    private enum Scheme {
        case none
        case fixed(field: String)
        case bearer(TokenRealm)
    }

    private let endpoint: RegistryEndpoint
    /// Calls the realm; given by the client, which counts requests.
    private let fetch: @Sendable (TokenRealm, TokenScope?) async throws(OCIError) -> AccessToken
    private let now: @Sendable () -> ContinuousClock.Instant
    private var scheme = Scheme.none
    private var tokens: [TokenScope?: AccessToken] = [:]
    private var flights: [TokenScope?: Task<Result<AccessToken, OCIError>, Never>] = [:]

    /// More scopes than this are forgotten together: a cache, not a ledger.
    private static let tokenLimit = 4_096

    init(
        _ endpoint: RegistryEndpoint, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        fetch: @escaping @Sendable (TokenRealm, TokenScope?) async throws(OCIError) -> AccessToken
    ) {
        self.endpoint = endpoint
        self.now = now
        self.fetch = fetch
    }

    /// The field to send with a request of that scope, as far as the registry has been met.
    func field(for scope: TokenScope?) async throws(OCIError) -> String? {
        switch scheme {
        case .none: nil
        case .fixed(let field): field
        case .bearer(let realm): try await token(for: scope, from: realm).field
        }
    }

    /// The field to send after a 401 with these `WWW-Authenticate` fields, or `nil` when there is nothing (else) to
    /// present. `rejected` is what the refused request carried: that token is not used again.
    func field(
        answering challenges: [String], for scope: TokenScope?, rejected: String?
    ) async throws(OCIError) -> String? {
        var offered: [Challenge] = []
        for field in challenges { offered += try Challenge.parse(field) }
        let credentials = try await endpoint.credentials.current()
        if let challenge = offered.first(where: { $0.scheme == "bearer" }) {
            if case .bearer(let token) = credentials {
                scheme = .fixed(field: "Bearer \(token.value)")
            } else {
                scheme = .bearer(try TokenRealm(challenge, of: endpoint, presenting: credentials))
                tokens = tokens.filter { $0.value.field != rejected }
            }
        } else if offered.contains(where: { $0.scheme == "basic" }),
            case .basic(let user, let password) = credentials
        {
            scheme = .fixed(field: Credentials.basicField(user, password))
        } else {
            return nil
        }
        let field = try await field(for: scope)
        return field == rejected ? nil : field
    }

    private func token(for scope: TokenScope?, from realm: TokenRealm) async throws(OCIError) -> AccessToken {
        if let token = usableToken(for: scope) { return token }
        if let flight = flights[scope] { return try await flight.value.get() }
        // of nobody's task: others wait for it too, and who asked first may be one that yields to them
        let flight = Task.detached { [fetch] in
            await Result { () async throws(OCIError) in try await fetch(realm, scope) }
        }
        flights[scope] = flight
        let outcome = await flight.value
        flights[scope] = nil
        let token = try outcome.get()
        if tokens.count >= Self.tokenLimit { tokens.removeAll() }
        tokens[scope] = token
        return token
    }

    /// A cached token that covers `scope`: one for pushing also pulls.
    private func usableToken(for scope: TokenScope?) -> AccessToken? {
        let broader = scope.map {
            $0.access == .pull ? TokenScope(repository: $0.repository, access: .pullPush) : $0
        }
        let instant = now()
        return [tokens[scope], tokens[broader]].lazy.compactMap(\.self).first { $0.expires > instant }
    }
}

extension Result where Failure == OCIError {
    fileprivate init(_ body: () async throws(OCIError) -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
