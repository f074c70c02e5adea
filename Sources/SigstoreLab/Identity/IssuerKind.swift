/// How Fulcio reads the tokens of an issuer: what it demands in them, and what it writes into the certificate.
package enum IssuerKind: String, Sendable, CaseIterable {
    /// Service accounts; the name is `https://kubernetes.io/namespaces/NS/serviceaccounts/NAME`.
    case kubernetes
    /// People; the name is the verified e-mail address.
    case email
    /// Anything with a URL below the issuer's origin; the name is that URL.
    case uri
    /// GitHub Actions; the name is the workflow's URL, and all of the token's claims get an extension of their own.
    case github
    /// Workloads of a SPIFFE trust domain; the name is the SPIFFE ID.
    case spiffe

    /// The trust domain of the SPIFFE issuer.
    package static let spiffeTrustDomain = "countersign.lab"

    /// Last part of the issuer's URL.
    var pathComponent: String {
        switch self {
        case .kubernetes: "k8s"
        case .email: "email"
        case .uri: "uri"
        case .github: "github"
        case .spiffe: "spiffe"
        }
    }

    /// The claim over which the client proves possession of its key (`challengeClaim` of `/api/v2/configuration`).
    var challengeClaim: String { self == .email ? "email" : "sub" }

    /// `issuerType` of `/api/v2/configuration`.
    var configuredType: String {
        switch self {
        case .kubernetes, .email, .uri, .spiffe: rawValue
        case .github: "ci-provider"
        }
    }
}

/// An issuer that this lab runs and that its Fulcio trusts.
struct Issuer: Sendable, Equatable {
    let kind: IssuerKind
    /// `iss`, exactly.
    let url: String
    /// Scheme and authority of the issuer server: `subjectDomain` of a uri issuer.
    let origin: String

    /// `sub` of a token that is asked for without one.
    func defaultSubject(serviceAccount: String) -> String {
        switch kind {
        case .kubernetes: serviceAccount
        case .email: "signer@example.com"
        case .uri: "\(url)/ci/signer"
        case .github: "repo:acme/app:ref:refs/heads/main"
        case .spiffe: "spiffe://\(IssuerKind.spiffeTrustDomain)/ns/ci/sa/signer"
        }
    }
}
