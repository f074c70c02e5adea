import FoundationEssentials
import OpenSSL

/// Who a token says is calling, as Fulcio writes it into a certificate.
struct Principal: Sendable {
    let issuer: Issuer
    /// Subject alternative name.
    let name: GeneralName
    /// `sub` as it stands in the token.
    let subject: String
    /// What Fulcio writes beside issuer and subject.
    let extensions: [FulcioExtension]
    /// The text over which possession of the key is proven.
    let challenge: String

    /// - Returns: `nil` for every fault of the token: unknown key or issuer, times, audience, missing claims.
    init?(token: String, issuers: [Issuer], tokens: IdentityTokens, audience: String, now: Date) {
        guard let (claims, workflow) = tokens.claims(of: token),
            let issuer = issuers.first(where: { $0.url == claims.iss })
        else {
            return nil
        }
        // go-oidc: an expired token is refused at once, `nbf` may lie five minutes ahead
        let seconds = Int64(now.timeIntervalSince1970)
        guard claims.aud.values.contains(audience), seconds < claims.exp, (claims.nbf ?? 0) <= seconds + 300 else {
            return nil
        }
        extensions = issuer.kind == .github ? workflow.extensions : []
        switch issuer.kind {
        case .github:
            guard workflow.isComplete else { return nil }
            name = workflow.name
            challenge = claims.sub
        case .spiffe:
            guard Self.isSPIFFE(claims.sub) else { return nil }
            name = .uri(claims.sub)
            challenge = claims.sub
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
    /// A SPIFFE ID of the configured trust domain (SPIFFE-ID §2): a path of segments, none empty, none of dots.
    private static func isSPIFFE(_ id: String) -> Bool {
        let prefix = "spiffe://\(IssuerKind.spiffeTrustDomain)"
        guard id.hasPrefix(prefix), id.utf8.count <= 2048 else { return false }
        let path = id.dropFirst(prefix.count)
        guard !path.isEmpty else { return true }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
        return path.first == "/"
            && segments.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.allSatisfy(allowed.contains) }
    }
}
