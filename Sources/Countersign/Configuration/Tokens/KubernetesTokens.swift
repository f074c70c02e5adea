import Curl
import Sigstore

/// `kubernetes: {…}`: TokenRequest at the API server.
struct KubernetesTokens: TokenSourceKind {
    static let key = "kubernetes"
    let account: KubernetesTokenSource.Account
    let server: UpstreamConfiguration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> KubernetesTokens? {
        token.sectionIfPresent(key) { section in
            var account = KubernetesTokenSource.Account()
            account.namespace = section.string("namespace")
            account.name = section.string("service_account")
            if let file = section.string("token_file").map(reading.path) { account.tokenFile = file }
            section.read("life", into: &account.life)
            // the API server is inside, and its certificate is the cluster's own
            var server = UpstreamConfiguration(url: "https://kubernetes.default.svc")
            server.caFile = KubernetesTokenSource.folder + "/ca.crt"
            server.privateNetwork = true
            server.proxy = .none
            return KubernetesTokens(account: account, server: reading.service(section, server))
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.upstream(path, server)
        problems.check(account.life >= .seconds(600), "\(path).life", "the API server gives no less than 10m")
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        KubernetesTokenSource(
            server: server.url, account: account, audience: audience, http: http, route: server.route)
    }
}
