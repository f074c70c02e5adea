public import Curl
import StrictJSON

/// A Kubernetes service account's token for Fulcio, asked of the API server by TokenRequest
/// (`POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token`, authentication.k8s.io/v1).
///
/// For pods whose projected token has another audience, or that sign as another account than they run as: the pod's own
/// account needs the right `create` on `serviceaccounts/token`. Its own token is read anew for each request.
public struct KubernetesTokenSource: IdentityTokenSource {
    /// Where a pod finds its own token, CA and namespace.
    public static let folder = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// Which account's token is asked for, with what.
    public struct Account: Sendable, Equatable {
        /// Its namespace; nil: the one of the pod's own token.
        public var namespace: String?
        /// Its name; nil: the one of the pod's own token.
        public var name: String?
        /// The pod's own token.
        public var tokenFile = KubernetesTokenSource.folder + "/token"
        /// The life asked for; the API server takes at least ten minutes and may give less than was asked.
        public var life: Duration = .seconds(600)

        /// The pod's own account.
        public init() {}
    }

    private let server: String
    private let account: Account
    private let audience: String
    private let service: TokenService

    /// A source at the API server `server`; in a cluster `https://kubernetes.default.svc`.
    public init(
        server: String, account: Account, audience: String, http: HTTPClient, route: HTTPRoute
    ) {
        self.server = server
        self.account = account
        self.audience = audience
        service = TokenService("Kubernetes API server \(server)", http: http, route: route)
    }

    public var description: String {
        "Kubernetes TokenRequest for \(account.namespace ?? "(own)")/\(account.name ?? "(own)")"
    }

    public func token() async throws(SigstoreError) -> IdentityToken {
        // only sent on: the API server judges it, and a pod's older kind of token has no claims of time or audience
        let own = try FileTokenSource(path: account.tokenFile).text().filter { !$0.isWhitespace }
        let claims = (try? IdentityToken(own))?.claims.kubernetes
        guard let namespace = account.namespace ?? claims?.namespace, let name = account.name ?? claims?.serviceAccount
        else {
            throw .identity(
                .missing(
                    source: description,
                    detail: "\(account.tokenFile) does not name its namespace and service account: configure them"))
        }
        // the API server refuses names that are none; escaped, they cannot lead to another resource
        let path =
            "/api/v1/namespaces/\(TokenService.escape(namespace))/serviceaccounts/\(TokenService.escape(name))/token"
        let request: JSONValue = .object([
            "apiVersion": .string("authentication.k8s.io/v1"), "kind": .string("TokenRequest"),
            "spec": .object([
                "audiences": .array([.string(audience)]),
                "expirationSeconds": .integer(account.life.components.seconds),
            ]),
        ])
        let base = server.hasSuffix("/") ? String(server.dropLast()) : server
        let response = try await service.post(
            base + path, request, headers: ["Authorization": "Bearer \(own)"])
        return try service.token(try service.text("status", "token", in: response))
    }
}
