import FoundationEssentials
import StrictJSON

/// An OIDC issuer that a Fulcio accepts, as its `GET /api/v2/configuration` tells (fulcio.proto, `OIDCIssuer`).
public struct FulcioIssuer: Sendable, Equatable {
    /// The issuer's URL, or with `*` for a family of issuers.
    public let url: String
    /// Whether `*` in the URL stands for something.
    public let isWildcard: Bool
    /// The audience its tokens must have.
    public let audience: String
    /// The claim to sign as proof of possession: `sub` or `email`; an operator may have chosen another.
    public let challengeClaim: String
    /// How Fulcio makes a name of its tokens: `email`, `kubernetes`, `uri`, `spiffe`, `ci-provider`, ….
    public let kind: String
    /// Of `uri` and `username` issuers.
    public let subjectDomain: String
    /// Of `spiffe` issuers.
    public let trustDomain: String
    /// Whether `email_verified` is not asked for.
    public let skipsEmailVerification: Bool

    /// Reads one element of `issuers`.
    init(_ field: JSONField) throws(SigstoreError) {
        func text(_ name: String) throws(SigstoreError) -> String { try field.optional(name)?.string() ?? "" }
        let plain = try text("issuerUrl")
        let wildcard = try text("wildcardIssuerUrl")
        url = plain.isEmpty ? wildcard : plain
        isWildcard = plain.isEmpty
        audience = try text("audience")
        let claim = try text("challengeClaim")
        challengeClaim = claim.isEmpty ? "sub" : claim
        kind = try text("issuerType")
        subjectDomain = try text("subjectDomain")
        trustDomain = try text("spiffeTrustDomain")
        skipsEmailVerification = try field.optional("skipEmailVerification")?.bool() ?? false
    }

    /// Whether tokens of `issuer` are meant: exactly, or each `*` for one or more of `-_a-zA-Z0-9`.
    public func accepts(issuer: String) -> Bool {
        guard isWildcard else { return url.utf8.elementsEqual(issuer.utf8) }
        guard issuer.utf8.count <= 1024 else { return false }
        let parts = url.split(separator: "*", omittingEmptySubsequences: false)
        guard let first = parts.first, issuer.hasPrefix(first) else { return false }
        return Self.matches(issuer.dropFirst(first.count), parts.dropFirst())
    }

    /// Whether `text` is something for a `*` and the first part, and so on to the end.
    private static func matches(_ text: Substring, _ parts: ArraySlice<Substring>) -> Bool {
        guard let part = parts.first else { return text.isEmpty }
        let star = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        return star.indices.contains { index in
            let rest = text[text.index(after: index)...]
            return rest.hasPrefix(part) && matches(rest.dropFirst(part.count), parts.dropFirst())
        }
    }

    /// The issuer that a token belongs to: an exact one before a wildcard, as Fulcio looks it up.
    public static func accepting(_ issuer: String, among issuers: [FulcioIssuer]) -> FulcioIssuer? {
        issuers.first { !$0.isWildcard && $0.accepts(issuer: issuer) }
            ?? issuers.first { $0.isWildcard && $0.accepts(issuer: issuer) }
    }

    /// What is signed as proof of possession for a token of this issuer; nil if the token lacks that claim.
    public func challenge(of claims: IdentityToken.Claims) -> String? {
        switch challengeClaim {
        case "sub": claims.subject
        case "email": claims.email
        default: claims.all[challengeClaim]?.text
        }
    }
}
