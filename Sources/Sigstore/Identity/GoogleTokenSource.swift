public import Curl
import StrictJSON

/// Google's metadata server, in a virtual machine, in GKE with workload identity, in Cloud Run or Cloud Build.
struct GoogleMetadata: Sendable {
    /// Its fixed name; `GCE_METADATA_HOST` replaces it, as in Google's own libraries.
    static let host = "metadata.google.internal"

    let base: String
    let service: TokenService

    init(host: String?, http: HTTPClient, route: HTTPRoute) {
        var route = route
        // never through a proxy, and always in clear: it is a link-local address of the host itself
        route.proxy = .none
        route.addresses = .privateAllowed
        route.allowPlainHTTP = true
        base = "http://\(host ?? Self.host)/computeMetadata/v1/instance/service-accounts"
        service = TokenService("Google's metadata server", http: http, route: route)
    }

    func read(_ path: String, of account: String) async throws(SigstoreError) -> HTTPResponse {
        let response = try await service.get(
            "\(base)/\(TokenService.escape(account))/\(path)", headers: ["Metadata-Flavor": "Google"])
        guard (200..<300).contains(response.status) else { throw service.failure(response) }
        // the header tells it from a captive portal or another cloud's server at that address
        guard response.headers["Metadata-Flavor"] == "Google" else {
            throw service.bad("the answer is not from a metadata server: no header Metadata-Flavor")
        }
        return response
    }
}

/// The identity token of a Google service account, from the metadata server.
public struct GoogleMetadataTokenSource: IdentityTokenSource {
    private let account: String
    private let audience: String
    private let metadata: GoogleMetadata

    /// A source for tokens of `account`, an e-mail address or `default`.
    public init(
        account: String = "default", audience: String, http: HTTPClient, route: HTTPRoute = .init(), host: String? = nil
    ) {
        self.account = account
        self.audience = audience
        metadata = GoogleMetadata(host: host, http: http, route: route)
    }

    public var description: String { "Google's metadata server, account \(account)" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let path = TokenService.adding("format", "full", to: TokenService.adding("audience", audience, to: "identity"))
        let response = try await metadata.read(path, of: account)
        return try metadata.service.token(String(decoding: response.body, as: UTF8.self))
    }
}

/// The identity token of another Google service account, by impersonation: IAM Credentials `generateIdToken`, with the
/// access token of the account we run as, which needs the role Service Account OpenID Connect Identity Token Creator.
public struct GoogleImpersonatedTokenSource: IdentityTokenSource {
    private let target: String
    private let account: String
    private let audience: String
    private let url: String
    private let metadata: GoogleMetadata
    private let service: TokenService

    /// A source for tokens of the account with the e-mail address `target`.
    public init(
        target: String, account: String = "default", audience: String, http: HTTPClient, route: HTTPRoute = .init(),
        url: String = "https://iamcredentials.googleapis.com", host: String? = nil
    ) {
        self.target = target
        self.account = account
        self.audience = audience
        self.url = url
        metadata = GoogleMetadata(host: host, http: http, route: route)
        service = TokenService("Google IAM Credentials", http: http, route: route)
    }

    public var description: String { "Google service account \(target), impersonated" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let own = try await metadata.read("token", of: account)
        let access = try metadata.service.text("access_token", in: own)
        let response = try await service.post(
            "\(url)/v1/projects/-/serviceAccounts/\(TokenService.escape(target)):generateIdToken",
            // Fulcio reads the e-mail address; without this the token has none
            .object(["audience": .string(audience), "includeEmail": .bool(true)]),
            headers: ["Authorization": "Bearer \(access)"])
        return try service.token(try service.text("token", in: response))
    }
}
