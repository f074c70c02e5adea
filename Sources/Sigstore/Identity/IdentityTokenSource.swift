public import FoundationEssentials

/// Where identity tokens come from. Every call gives the token of that moment: tokens rotate.
public protocol IdentityTokenSource: Sendable {
    /// The present token.
    /// - Throws: ``SigstoreError/identity(_:)``, or an error of the service `identity` when one had to be asked.
    func token() async throws(SigstoreError) -> IdentityToken

    /// Where it looks, for messages.
    var description: String { get }
}

extension IdentityTokenSource {
    /// The present token, after a look at what Fulcio would answer all alike: its times, its audience, its issuer.
    /// - Parameter issuer: what the certificate must name; nil where nobody knows yet.
    public func token(usableAt now: Date, audience: String, issuer: String?) async throws(SigstoreError)
        -> IdentityToken
    {
        let token = try await token()
        try token.checkUsable(at: now, audience: audience, issuer: issuer)
        return token
    }
}

/// A token that is at hand is a source, too: one that cannot rotate.
extension IdentityToken: IdentityTokenSource {
    public func token() async throws(SigstoreError) -> IdentityToken { self }
}
