import FoundationEssentials
import OpenSSL

/// Who a token says is calling, as Fulcio writes it into a certificate.
struct Principal: Sendable {
    let issuer: Issuer
    /// Subject alternative name.
    let name: GeneralName
    /// `sub` as it stands in the token.
    let subject: String
    /// The text over which possession of the key is proven.
    let challenge: String

    /// - Returns: `nil` for every fault of the token: unknown key or issuer, times, audience, missing claims.
    init?(token: String, issuers: [Issuer], tokens: IdentityTokens, audience: String, now: Date) {
        guard let claims = tokens.claims(of: token), let issuer = issuers.first(where: { $0.url == claims.iss }) else {
            return nil
        }
        // go-oidc: an expired token is refused at once, `nbf` may lie five minutes ahead
        let seconds = Int64(now.timeIntervalSince1970)
        guard claims.aud.values.contains(audience), seconds < claims.exp, (claims.nbf ?? 0) <= seconds + 300 else {
            return nil
        }
        switch issuer.kind {
        case .kubernetes:
            guard let kubernetes = claims.kubernetes else { return nil }
            name = .uri(
                "https://kubernetes.io/namespaces/\(kubernetes.namespace)/serviceaccounts/\(kubernetes.serviceaccount.name)"
            )
            challenge = claims.sub
        case .email:
            guard let email = claims.email, claims.emailVerified == true, email.contains("@") else { return nil }
            name = .email(email)
            challenge = email
        case .uri:
            guard claims.sub == issuer.origin || claims.sub.hasPrefix(issuer.origin + "/") else { return nil }
            name = .uri(claims.sub)
            challenge = claims.sub
        }
        self.issuer = issuer
        subject = claims.sub
    }
}
