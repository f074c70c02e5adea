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
        let text = Array(issuer.utf8)
        let parts = url.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
        guard text.count <= 1024, url.utf8.count <= 1024, let first = parts.first, text.starts(with: first) else {
            return false
        }
        // the positions that the pattern so far can end at: part times text steps, however many wildcards there are
        var reached = [Bool](repeating: false, count: text.count + 1)
        reached[first.count] = true
        for part in parts.dropFirst() {
            var starred = [Bool](repeating: false, count: text.count + 1)
            var next = starred
            for position in text.indices where Self.isWild(text[position]) {
                starred[position + 1] = reached[position] || starred[position]
            }
            for position in starred.indices where starred[position] && text[position...].starts(with: part) {
                next[position + part.count] = true
            }
            reached = next
        }
        return reached[text.count]
    }

    /// `[-_a-zA-Z0-9]`
    private static func isWild(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
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
