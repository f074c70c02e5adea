import Curl
import Sigstore

/// `file: PATH`: a file that rotates, such as a projected Kubernetes service-account token.
struct FileTokens: TokenSourceKind {
    static let key = "file"
    let path: String

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> FileTokens? {
        token.string(key).map { FileTokens(path: reading.path($0)) }
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource { FileTokenSource(path: path) }
}
