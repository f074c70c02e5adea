import Curl
import Sigstore

/// One kind of place that identity tokens come from, with what it needs.
///
/// All that differs between kinds is here: a new one is one file with a conformance, its line in ``TokenSourceKinds/all``, and
/// one test. How the place is asked is the matter of an `IdentityTokenSource`.
protocol TokenSourceKind: Sendable, Equatable {
    /// Its key under `token`.
    static var key: String { get }

    /// Reads the value of its key, and complains of what it cannot read. Nil where the file does not have the key.
    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> Self?

    /// What cannot be meant. Default none.
    /// - Parameter path: of its key.
    func problems(at path: String) -> [ConfigurationProblem]

    /// Where tokens for `audience` are taken from, anew for each; sources that ask a service do so through `http`.
    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource
}

extension TokenSourceKind {
    func problems(at path: String) -> [ConfigurationProblem] { [] }

    /// Whether the other is of the same kind and says the same.
    func isEqual(to other: any TokenSourceKind) -> Bool { other as? Self == self }
}

/// The kinds there are, as they are named to who gave none. Nothing else lists them.
enum TokenSourceKinds {
    static let all: [any TokenSourceKind.Type] = [
        FileTokens.self, VariableTokens.self, KubernetesTokens.self, GitHubActionsTokens.self, GitLabTokens.self,
        CircleCITokens.self, BuildkiteTokens.self, GoogleTokens.self, AzureTokens.self, AzureFederatedTokens.self,
        AWSTokens.self, IRSATokens.self, SPIFFETokens.self, ClientCredentialsTokens.self, ExchangedTokens.self,
        ProgramTokens.self, AmbientTokens.self,
    ]
}

extension ConfigurationReading {
    /// Exactly one key names the kind of source; its value is what that kind needs, `{}` where it needs nothing.
    func tokenSource(_ section: ConfigurationSection, isRequired: Bool) -> IdentityConfiguration.TokenSource {
        let found = TokenSourceKinds.all.compactMap { kind -> (any TokenSourceKind)? in
            kind.read(from: section, self)
        }
        guard let source = found.first, found.count == 1 else {
            if isRequired || found.count > 1 {
                let names = TokenSourceKinds.all.map { $0.key }.joined(separator: ", ")
                section.complain("file", "give exactly one source of identity tokens: \(names)")
            }
            return .file("")
        }
        return IdentityConfiguration.TokenSource(source)
    }

    /// How a service is reached whose address is known: the keys of an upstream, the address among them, all optional.
    func service(
        _ section: ConfigurationSection, _ usual: UpstreamConfiguration = UpstreamConfiguration(url: "")
    ) -> UpstreamConfiguration {
        var service = usual
        if let url = section.string("url") { service.url = url }
        transport(section, into: &service)
        return service
    }
}

extension Problems {
    /// A service whose address the environment tells where the configuration does not.
    mutating func service(_ path: String, _ service: UpstreamConfiguration) {
        if !service.url.isEmpty { upstream(path, service) }
    }
}
