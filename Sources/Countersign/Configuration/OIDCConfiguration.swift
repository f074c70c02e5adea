/// An OpenID Connect issuer whose tokens open the API, beside our own tokens.
package struct OIDCConfiguration: Sendable, Equatable {
    /// How the issuer is reached. `url` is the issuer itself, exactly as its tokens say in `iss`; its keys are looked up
    /// there (OpenID Connect Discovery) and nowhere else.
    package var issuer: UpstreamConfiguration
    /// What a token's `aud` must name. Take a name that is for this API alone: a token made for another service, sent on
    /// by that service, would else be good here.
    package var audience: String
    /// Whom its tokens make. The first rule whose claims all match decides; a token that none matches is refused.
    package var roles: [Rule] = []

    package init(issuer: UpstreamConfiguration, audience: String) {
        self.issuer = issuer
        self.audience = audience
    }

    /// Claims, and what who has them may do.
    package struct Rule: Sendable, Equatable {
        package var role: APITokens.Role = .viewer
        /// At least one: an issuer for everybody would else make everybody a reader. Each value is a glob over the claim's
        /// text; of a list of texts one must match.
        package var claims: [Claim] = []
        /// As `token create --repositories`: globs over `registry/repository`. Default none: everything, except for an
        /// attester, who needs some.
        package var repositories: [String] = []
        /// As `token create --predicate-types`, for an attester.
        package var predicateTypes: [String] = []

        package init() {}
    }

    package struct Claim: Sendable, Equatable {
        package let name: String
        package let value: Glob

        /// `name=glob`.
        package init?(_ text: String) {
            guard let sign = text.firstIndex(of: "="), sign != text.startIndex,
                let value = try? Glob(String(text[text.index(after: sign)...]))
            else { return nil }
            name = String(text[..<sign])
            self.value = value
        }
    }
}
