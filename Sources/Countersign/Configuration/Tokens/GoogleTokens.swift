import Curl
import Sigstore

/// `google: {…}`: Google's metadata server; with `impersonate` IAM Credentials, for that account.
struct GoogleTokens: TokenSourceKind {
    static let key = "google"
    let account: String
    let impersonate: String?
    let service: UpstreamConfiguration

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> GoogleTokens? {
        token.sectionIfPresent(key) { section in
            GoogleTokens(
                account: section.string("account") ?? "default", impersonate: section.string("impersonate"),
                service: reading.service(
                    section, UpstreamConfiguration(url: "https://iamcredentials.googleapis.com")))
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.upstream(path, service)
        problems.check(
            impersonate?.contains("@") ?? true, "\(path).impersonate",
            "must be the e-mail address of a service account")
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        guard let impersonate else {
            return GoogleMetadataTokenSource(account: account, audience: audience, http: http, route: service.route)
        }
        return GoogleImpersonatedTokenSource(
            target: impersonate, account: account, audience: audience, http: http, route: service.route,
            url: service.url)
    }
}
