package import Curl
package import Sigstore

extension IdentityConfiguration.TokenSource {
    /// Where tokens for `audience` are taken from, anew for each; sources that ask a service do so through `http`.
    package func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        switch self {
        case .file(let path): FileTokenSource(path: path)
        case .environment(let name): EnvironmentTokenSource(variable: name)
        }
    }
}
