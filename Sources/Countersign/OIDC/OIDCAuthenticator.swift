package import Curl
package import FoundationEssentials
import OpenSSL
import Sigstore
import StrictJSON

/// Whom a bearer token of a configured OpenID Connect issuer makes. The token itself is neither kept nor shown.
package struct OIDCAuthenticator: Sendable {
    private struct Issuer: Sendable {
        let configuration: OIDCConfiguration
        let keys: IssuerKeys
    }

    private let issuers: [Issuer]
    private let now: @Sendable () -> Date

    private static let maxBytes = 16 << 10

    package init(
        _ configurations: [OIDCConfiguration], http: HTTPClient, now: @escaping @Sendable () -> Date = { Date() }
    ) {
        issuers = configurations.map { Issuer(configuration: $0, keys: IssuerKeys($0, http: http)) }
        self.now = now
    }

    /// Whether it has the form of a JWT (RFC 7519 §3), not of one of our own tokens.
    package static func isForm(of token: String) -> Bool { token.hasPrefix("ey") && token.contains(".") }

    /// Issuer, times, audience, signature, then the rules: nothing is asked of an issuer for a token that is no good anyway.
    package func principal(of token: String) async throws(OIDCFault) -> APITokens.Principal {
        guard token.utf8.count <= Self.maxBytes else { throw .malformed("longer than \(Self.maxBytes) bytes") }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        let identity: IdentityToken
        do { identity = try IdentityToken(token) } catch { throw .malformed("\(error)") }
        guard parts.count == 3, let header = Self.json(parts[0]), let claims = Self.json(parts[1]),
            let signature = Base64.decodeURLSafe(parts[2])
        else { throw .malformed("no compact JWT") }

        let issued = identity.claims.issuer
        guard let issuer = issuers.first(where: { $0.configuration.issuer.url.utf8.elementsEqual(issued.utf8) }) else {
            throw .unknownIssuer
        }
        do {
            try identity.checkUsable(at: now(), audience: issuer.configuration.audience)
        } catch {
            throw .unusable("\(error)")
        }
        guard let algorithm = header["alg"]?.text.flatMap(IssuerKeys.Algorithm.init), header["crit"] == nil else {
            throw .signature("its algorithm is not RS256 or ES256")
        }
        guard let id = header["kid"]?.text else { throw .signature("it names no key (kid)") }
        let key = try await issuer.keys.key(id, for: algorithm)
        try Self.verify(signature, of: Array(token.utf8.prefix(parts[0].utf8.count + 1 + parts[1].utf8.count)), key)
        return try principal(claims, issuer.configuration, identity.claims.subject)
    }

    private static func json(_ part: Substring) -> JSONValue? {
        Base64.decodeURLSafe(part).flatMap { try? JSONValue(parsing: $0) }
    }

    private static func verify(_ signature: [UInt8], of message: [UInt8], _ key: PublicKey) throws(OIDCFault) {
        do throws(CryptoError) {
            if case .ecdsaP256 = key.algorithm {
                try key.verify(try ECDSASignature.der(fromRaw: signature, key.algorithm), of: message, .ecdsa(.sha256))
            } else {
                try key.verify(signature, of: message, .rsaPKCS1(.sha256))
            }
        } catch {
            throw .signature("its signature does not verify")
        }
    }

    private func principal(
        _ claims: JSONValue, _ configuration: OIDCConfiguration, _ subject: String
    ) throws(OIDCFault) -> APITokens.Principal {
        let rule = configuration.roles.first { $0.matches(claims) }
        // a later rule, of a wider role perhaps, is not meant for whom an earlier one names
        guard let rule, rule.trustsAddress(of: claims) else { throw .noRole }
        let isConfined = rule.role == .attester || !rule.repositories.isEmpty || !rule.predicateTypes.isEmpty
        let types = rule.predicateTypes.isEmpty && rule.role != .attester ? ["*"] : rule.predicateTypes
        let scope: TokenScope?
        do {
            scope = isConfined ? try TokenScope(repositories: rule.repositories, predicateTypes: types) : nil
        } catch {
            throw .noRole
        }
        return APITokens.Principal(
            tokenID: nil, name: Self.name(subject, of: configuration.issuer.url), role: rule.role, scope: scope)
    }

    /// `<sub> of <issuer>`: by it a caller's own batches are known, and the keys under which it asked for them. Where that has
    /// no room, or could not be printed as it is, a digest of both ends the name, and no two callers have the same.
    static func name(_ subject: String, of issuer: String) -> String {
        let whole = "\(subject) of \(issuer)"
        let shown = Failure.printable(whole, limit: nameLimit)
        guard !shown.utf8.elementsEqual(whole.utf8) else { return whole }
        let digest = Hash.sha256(Array("\(issuer)\u{0}\(subject)".utf8))
        let end = "… #" + Hex.encode(Array(digest.prefix(12)))
        return Failure.printable(whole, limit: nameLimit - end.unicodeScalars.count) + end
    }

    /// Characters of a name: what the columns hold, and a reader reads.
    private static let nameLimit = 128
}

extension OIDCConfiguration.Rule {
    /// Whether it is meant for a token with these claims.
    func matches(_ claims: JSONValue) -> Bool {
        !self.claims.isEmpty && self.claims.allSatisfy { $0.matches(claims) }
    }

    /// Whether the rule asks for no address, or the issuer has verified it (OpenID Connect Core 1.0 §5.1; some issuers write
    /// that as text): else its owner may have written any.
    func trustsAddress(of claims: JSONValue) -> Bool {
        let isVerified = [.bool(true), .string("true")].contains(claims["email_verified"])
        return isVerified || !self.claims.contains { $0.name == "email" }
    }
}

extension OIDCConfiguration.Claim {
    fileprivate func matches(_ claims: JSONValue) -> Bool {
        switch claims[name] {
        case .string(let text): value.matches(text)
        case .array(let several): several.contains { $0.text.map(value.matches) ?? false }
        case .bool(let flag): value.matches(flag ? "true" : "false")
        case .number(let text): value.matches(text)
        case .object, .null, nil: false
        }
    }
}
