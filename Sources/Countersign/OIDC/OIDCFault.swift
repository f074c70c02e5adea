/// Why an OpenID Connect token opens nothing. Never quotes the token.
package enum OIDCFault: Error, Sendable, Equatable {
    /// No token that we read.
    case malformed(String)
    case unknownIssuer
    /// Its times, its audience.
    case unusable(String)
    /// The issuer's keys did not make it; also: it names a key that the issuer does not have.
    case signature(String)
    /// It is genuine, and no rule is for who has it.
    case noRole
    /// The issuer's keys could not be had.
    case unavailable(String)

    package var code: String {
        switch self {
        case .malformed: "api.token_malformed"
        case .noRole: "api.forbidden"
        case .unavailable: "api.issuer_unavailable"
        case .unknownIssuer, .unusable, .signature: "api.token_invalid"
        }
    }
}

extension OIDCFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let what): "not a token: \(what)"
        case .unknownIssuer: "the token's issuer is not one of api.oidc"
        case .unusable(let what): "the token is not valid here: \(what)"
        case .signature(let what): "the token is not its issuer's: \(what)"
        case .noRole: "the token is good, and no rule of api.oidc gives who has it a role"
        case .unavailable(let what): "the issuer's keys cannot be had: \(what)"
        }
    }
}
