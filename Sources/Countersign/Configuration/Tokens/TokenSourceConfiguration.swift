package import Curl
package import Sigstore

extension IdentityConfiguration {
    /// Where identity tokens come from: one kind, with what it needs.
    package struct TokenSource: Sendable, Equatable {
        private let kind: any TokenSourceKind

        init(_ kind: any TokenSourceKind) { self.kind = kind }

        /// A file that rotates, such as a projected Kubernetes service-account token.
        package static func file(_ path: String) -> TokenSource { TokenSource(FileTokens(path: path)) }

        /// An environment variable: cannot rotate, so only for runs shorter than the token.
        package static func environment(_ variable: String) -> TokenSource {
            TokenSource(VariableTokens(variable: variable))
        }

        package static func == (left: TokenSource, right: TokenSource) -> Bool { left.kind.isEqual(to: right.kind) }

        /// Where tokens for `audience` are taken from, anew for each; sources that ask a service do so through `http`.
        package func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
            kind.source(audience: audience, http: http)
        }

        /// What cannot be meant.
        /// - Parameter path: of `token`.
        func problems(at path: String) -> [ConfigurationProblem] {
            kind.problems(at: "\(path).\(type(of: kind).key)")
        }
    }
}
