import HTTPTypes
import Hummingbird
import OCI

/// Who may do what over the API: bearer tokens with roles, anonymous reading only where the configuration says so.
package struct Authority: Sendable {
    /// Looks a token up, each time anew.
    ///
    /// Throws what the database or, for an issuer's token, ``OIDCAuthenticator`` has to say.
    package typealias Authenticate = @Sendable (String) async throws -> APITokens.Principal?

    private let authenticate: Authenticate
    private let anonymousRead: Bool
    private let refused: Counter

    package init(anonymousRead: Bool, refused: Counter, authenticate: @escaping Authenticate) {
        self.anonymousRead = anonymousRead
        self.refused = refused
        self.authenticate = authenticate
    }

    /// The principal of a request that may act as `role` everywhere; nil for an anonymous reader.
    /// - Throws: 401 without a usable token, 403 with one of a lesser role, or confined to a scope. A token that is shown
    ///   must be good, even where nobody asks for one: an expired token in a pipeline is noticed before anonymous reading
    ///   ends.
    func require(_ role: APITokens.Role, for request: Request) async throws -> APITokens.Principal? {
        let principal = try await identify(role, for: request)
        try refuseConfined(principal)
        return principal
    }

    /// What is about all repositories is not for a token that is confined to some.
    func refuseConfined(_ principal: APITokens.Principal?) throws(Problem) {
        guard principal?.scope == nil else {
            throw refusal(
                .forbidden, "api.out_of_scope", "the token is confined to some repositories; this is about all of them")
        }
    }

    /// Who acts: of at least that role, and never nobody. What its scope allows is still to be asked.
    func actor(_ role: APITokens.Role, for request: Request) async throws -> APITokens.Principal {
        guard let principal = try await identify(role, for: request) else {
            throw refusal(.unauthorized, "api.token_missing", "this needs a token: Authorization: Bearer cs_…")
        }
        return principal
    }

    /// Sees that what is asked about one repository is within the scope of who asks.
    /// - Throws: 403 for a token that is confined to others.
    func confine(_ principal: APITokens.Principal?, to repository: Repository) throws(Problem) {
        if let scope = principal?.scope, !scope.allows(repository) {
            throw refusal(.forbidden, "api.out_of_scope", "the token is not for \(repository)")
        }
    }

    /// Whose request it is, of at least that role. What its scope allows is still to be asked.
    func identify(_ role: APITokens.Role, for request: Request) async throws -> APITokens.Principal? {
        guard let header = request.headers[.authorization] else {
            if role == .viewer && anonymousRead { return nil }
            throw refusal(.unauthorized, "api.token_missing", "this needs a token: Authorization: Bearer cs_…")
        }
        guard let token = header.bearerToken else {
            throw refusal(.unauthorized, "api.token_malformed", "the Authorization header is not 'Bearer <token>'")
        }
        guard let principal = try await principal(of: token) else {
            throw refusal(.unauthorized, "api.token_unknown", "the token is unknown, expired or revoked")
        }
        RequestCaller.current?.principal = principal
        guard principal.role >= role else {
            throw refusal(
                .forbidden, "api.forbidden",
                "this needs the role \(role.rawValue); the token has \(principal.role.rawValue)")
        }
        return principal
    }

    private func principal(of token: String) async throws -> APITokens.Principal? {
        do {
            return try await authenticate(token)
        } catch let fault as OIDCFault {
            let status: HTTPResponse.Status =
                switch fault {
                case .noRole: .forbidden
                case .unavailable: .serviceUnavailable
                case .malformed, .unknownIssuer, .unusable, .signature: .unauthorized
                }
            var problem = refusal(status, fault.code, "\(fault)")
            if status == .serviceUnavailable { problem.retryAfter = .seconds(5) }
            throw problem
        }
    }

    func refusal(_ status: HTTPResponse.Status, _ code: String, _ detail: String) -> Problem {
        refused.increment(code)
        return Problem(status, code, detail)
    }
}

extension String {
    /// The token of `Bearer <token>` (RFC 6750 §2.1); the scheme's case does not matter.
    fileprivate var bearerToken: String? {
        let parts = split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", !parts[1].contains(" ") else { return nil }
        return String(parts[1])
    }
}
