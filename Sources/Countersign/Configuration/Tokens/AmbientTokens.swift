import Curl
import Sigstore

/// `auto: {}`: the first well-known place that has a token.
struct AmbientTokens: TokenSourceKind {
    static let key = "auto"

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> AmbientTokens? {
        token.sectionIfPresent(key) { _ in AmbientTokens() }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        AmbientTokenSource(audience: audience, http: http)
    }
}
