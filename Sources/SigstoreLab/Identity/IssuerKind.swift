/// How Fulcio reads the tokens of an issuer: what it demands in them, and what it writes into the certificate.
public enum IssuerKind: String, Sendable, CaseIterable {
    /// Service accounts; the name is `https://kubernetes.io/namespaces/NS/serviceaccounts/NAME`.
    case kubernetes
    /// People; the name is the verified e-mail address.
    case email
    /// Anything with a URL below the issuer's origin; the name is that URL.
    case uri

    /// Last part of the issuer's URL.
    var pathComponent: String {
        switch self {
        case .kubernetes: "k8s"
        case .email: "email"
        case .uri: "uri"
        }
    }

    /// The claim over which the client proves possession of its key (`challengeClaim` of `/api/v2/configuration`).
    var challengeClaim: String { self == .email ? "email" : "sub" }
}

/// An issuer that this lab runs and that its Fulcio trusts.
struct Issuer: Sendable, Equatable {
    let kind: IssuerKind
    /// `iss`, exactly.
    let url: String
    /// Scheme and authority of the issuer server: `subjectDomain` of a uri issuer.
    let origin: String
}
