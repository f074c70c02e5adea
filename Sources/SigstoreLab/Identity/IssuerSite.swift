import FoundationEssentials
import HTTPTypes
import OpenSSL

/// The OpenID Connect issuers: `/k8s`, `/email`, `/uri`, `/github`, `/spiffe`, each with discovery, key set and a token endpoint.
///
/// The token endpoint is the lab's own: whoever can reach it gets a token for any subject. That is its purpose.
struct IssuerSite: LabSite {
    let service = LabService.oidc
    let tokens: IdentityTokens
    let configuration: LabConfiguration
    let start: LabStart

    func isSigningCall(_ path: String) -> Bool { path.hasSuffix("/token") }

    func answer(_ request: LabRequest) async throws -> Answer {
        let issuers = try await start.issuers
        guard let issuer = issuers.first(where: { request.path.hasPrefix("/\($0.kind.pathComponent)/") }) else {
            if request.path == "/token", let first = issuers.first { return tokenAnswer(request, first) }
            return Answer(.notFound)
        }
        switch (request.method, request.path.dropFirst(1 + issuer.kind.pathComponent.count)) {
        case (.get, "/.well-known/openid-configuration"): return .json(Discovery(issuer: issuer.url))
        case (.get, "/keys"): return try keySet()
        case (.post, "/token"): return tokenAnswer(request, issuer)
        case (.get, "/request") where issuer.kind == .github: return actionsAnswer(request, issuer)
        default: return Answer(.notFound)
        }
    }

    /// A token of `issuer`. `now` is the issuer's clock.
    func token(
        from issuer: Issuer, subject: String?, audience: String?, lifetime: Duration, now: Date,
        algorithm: IdentityTokens.Algorithm = .rs256, workflow: [String: String] = [:]
    ) throws -> String {
        let seconds = Int64(now.timeIntervalSince1970)
        let subject = subject ?? issuer.defaultSubject(serviceAccount: configuration.tokenSubject)
        var claims = Claims(
            iss: issuer.url, sub: subject, aud: .init([audience ?? configuration.audience]), iat: seconds, nbf: seconds,
            exp: seconds + lifetime.components.seconds, jti: UUID().uuidString.lowercased())
        switch issuer.kind {
        case .uri, .spiffe: break
        case .github:
            let claims = WorkflowToken(
                claims: claims, workflow: try WorkflowClaims(subject: subject, given: workflow))
            return try tokens.sign(claims, algorithm)
        case .email:
            // Like dex: an opaque subject beside the address.
            claims.sub = "CgExEgRtb2Nr"
            claims.email = subject
            claims.emailVerified = true
        case .kubernetes:
            let parts = subject.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 4, parts[0] == "system", parts[1] == "serviceaccount" else {
                throw LabError.token("a Kubernetes subject is system:serviceaccount:NAMESPACE:NAME, not \"\(subject)\"")
            }
            claims.kubernetes = Claims.Kubernetes(
                namespace: parts[2], pod: .init(name: "\(parts[3])-0", uid: UUID().uuidString.lowercased()),
                serviceaccount: .init(name: parts[3], uid: UUID().uuidString.lowercased()))
        }
        return try tokens.sign(claims, algorithm)
    }

    /// RFC 6749 §4.4, as far as a lab needs it: the client says which subject it wants to be.
    private func tokenAnswer(_ request: LabRequest, _ issuer: Issuer) -> Answer {
        let form = Self.form(request.body)
        let lifetime = form["lifetime"].flatMap(Int64.init) ?? configuration.tokenLifetime.components.seconds
        do {
            guard (-86_400...86_400).contains(lifetime) else { throw LabError.token("lifetime out of range") }
            guard let algorithm = IdentityTokens.Algorithm(rawValue: form["algorithm"] ?? "RS256") else {
                throw LabError.token("algorithm is RS256 or ES256")
            }
            let token = try token(
                from: issuer, subject: form["subject"], audience: form["audience"], lifetime: .seconds(lifetime),
                now: request.now, algorithm: algorithm,
                workflow: form.filter { WorkflowClaims.required.contains($0.key) || $0.key == "environment" })
            return .json(Issued(accessToken: token, idToken: token, tokenType: "Bearer", expiresIn: lifetime))
        } catch {
            return .json(["error": "invalid_request", "error_description": "\(error)"], status: .badRequest)
        }
    }

    /// What a step of GitHub Actions asks (`ACTIONS_ID_TOKEN_REQUEST_URL`): any bearer token will do here.
    private func actionsAnswer(_ request: LabRequest, _ issuer: Issuer) -> Answer {
        guard request.headers[.authorization]?.lowercased().hasPrefix("bearer ") == true else {
            return Answer(.unauthorized)
        }
        do {
            let token = try token(
                from: issuer, subject: nil, audience: request.query["audience"], lifetime: configuration.tokenLifetime,
                now: request.now)
            return .json(["value": token])
        } catch {
            return .json(["message": "\(error)"], status: .badRequest)
        }
    }

    /// `application/x-www-form-urlencoded`; percent escapes are undone by hand (FoundationEssentials has no parser).
    private static func form(_ body: [UInt8]) -> [String: String] {
        var form: [String: String] = [:]
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1).map(unescaped)
            if parts.count == 2 { form[parts[0]] = parts[1] }
        }
        return form
    }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String {
        var text: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let escaped = [UInt8](hex: String(decoding: rest.prefix(2), as: UTF8.self)) {
                text += escaped
                rest = rest.dropFirst(2)
            } else {
                text.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private func keySet() throws -> Answer {
        let rsa = tokens.rsa.publicKey
        let ec = tokens.ec.publicKey
        guard let (modulus, exponent) = rsa.rsaComponents, let (x, y) = ec.ecPoint else {
            throw LabError.token("the issuer's keys are not RSA and P-256")
        }
        return .json([
            "keys": [
                [
                    "kty": "RSA", "kid": tokens.keyID(.rs256), "alg": "RS256", "use": "sig", "n": modulus.base64URL,
                    "e": exponent.base64URL,
                ],
                [
                    "kty": "EC", "kid": tokens.keyID(.es256), "alg": "ES256", "use": "sig", "crv": "P-256",
                    "x": x.base64URL, "y": y.base64URL,
                ],
            ]
        ])
    }

    private struct Issued: Encodable {
        let accessToken: String
        let idToken: String
        let tokenType: String
        let expiresIn: Int64

        enum CodingKeys: String, CodingKey {
            case accessToken = "access_token"
            case idToken = "id_token"
            case tokenType = "token_type"
            case expiresIn = "expires_in"
        }
    }

    /// OpenID Connect Discovery 1.0 §3.
    private struct Discovery: Encodable {
        let issuer: String
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(issuer, forKey: .issuer)
            try container.encode("\(issuer)/keys", forKey: .keys)
            try container.encode("\(issuer)/token", forKey: .token)
            try container.encode("\(issuer)/auth", forKey: .authorization)
            try container.encode(["id_token"], forKey: .responseTypes)
            try container.encode(["public"], forKey: .subjectTypes)
            try container.encode(["RS256", "ES256"], forKey: .algorithms)
        }
        enum Key: String, CodingKey {
            case issuer
            case keys = "jwks_uri"
            case token = "token_endpoint"
            case authorization = "authorization_endpoint"
            case responseTypes = "response_types_supported"
            case subjectTypes = "subject_types_supported"
            case algorithms = "id_token_signing_alg_values_supported"
        }
    }
}
