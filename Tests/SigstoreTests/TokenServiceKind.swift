import Curl
import Dispatch
import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Sigstore

extension EnvironmentReader {
    init(_ values: [String: String]) { self.init { values[$0] } }
}

/// The token services that are asked over HTTP, each as its documentation has it: what they are asked, what they answer, and
/// how they refuse.
enum TokenServiceKind: String, CaseIterable, Sendable {
    case kubernetes, github, buildkite, google, impersonation, azure, aws, clientCredentials, exchange

    static let claims = #"{"iss":"https://issuer.example","sub":"signer","aud":"sigstore","exp":4000000000}"#
    static let podClaims = """
        {"iss":"https://kubernetes.default.svc.cluster.local","sub":"system:serviceaccount:ci:runner","aud":"api",\
        "exp":4000000000,"kubernetes.io":{"namespace":"ci","serviceaccount":{"name":"runner","uid":"u"}}}
        """
    /// The token that the service gives.
    static let given = Fixture.token(claims)
    /// The token that some services are shown first.
    static let shown = Fixture.token(podClaims)
    /// A secret of ours that some requests carry.
    static let secret = "s3cret+/of=the&client-0123456789"

    /// A source that asks the service at `url`; `file` holds ``shown``.
    func source(_ url: String, file: String, http: HTTPClient, route: HTTPRoute) -> any IdentityTokenSource {
        let host = String(url.dropFirst("http://".count))
        switch self {
        case .kubernetes:
            var account = KubernetesTokenSource.Account()
            account.tokenFile = file
            account.name = "signer"
            return KubernetesTokenSource(
                server: url + "/", account: account, audience: "sigstore", http: http, route: route)
        case .github:
            let environment = EnvironmentReader([
                "ACTIONS_ID_TOKEN_REQUEST_URL": url + "/token?api-version=2.0",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": Self.secret,
            ])
            return GitHubActionsTokenSource(audience: "sigstore", http: http, route: route, environment: environment)
        case .buildkite:
            let environment = EnvironmentReader([
                "BUILDKITE_AGENT_ENDPOINT": url + "/v3", "BUILDKITE_AGENT_ACCESS_TOKEN": Self.secret,
                "BUILDKITE_JOB_ID": "0190-job",
            ])
            return BuildkiteTokenSource(audience: "sigstore", http: http, route: route, environment: environment)
        case .google:
            return GoogleMetadataTokenSource(audience: "sigstore", http: http, route: route, host: host)
        case .impersonation:
            return GoogleImpersonatedTokenSource(
                target: "signer@project.iam.gserviceaccount.com", audience: "sigstore", http: http, route: route,
                url: url, host: host)
        case .azure:
            let environment = EnvironmentReader([
                "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_FEDERATED_TOKEN_FILE": file,
                "AZURE_AUTHORITY_HOST": url + "/",
            ])
            return AzureTokenSource(
                .init(), audience: "api://sigstore", http: http, route: route, environment: environment)
        case .aws:
            var request = AWSTokenSource.Request()
            request.endpoint = url
            let environment = EnvironmentReader([
                "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": Self.secret,
            ])
            return AWSTokenSource(request, audience: "sigstore", http: http, route: route, environment: environment)
        case .clientCredentials:
            return ClientCredentialsTokenSource(
                OAuthClient(url: url + "/token", id: "signer", secret: Self.secret), scope: "openid",
                parameters: [("audience", "sigstore")], http: http, route: route)
        case .exchange:
            return TokenExchangeTokenSource(
                OAuthClient(url: url + "/token", id: "signer", secret: Self.secret, sendsSecretInBody: true),
                subject: FileTokenSource(path: file), audience: "sigstore", http: http, route: route)
        }
    }

    /// What the service answers when it gives `token`.
    func answer(_ token: String, to request: ScriptedService.Request) -> ScriptedService.Answer {
        switch self {
        case .kubernetes:
            .json(
                201,
                #"{"kind":"TokenRequest","status":{"token":"\#(token)","expirationTimestamp":"2096-10-02T07:06:40Z"}}"#)
        case .github: .json(200, #"{"count":1,"value":"\#(token)"}"#)
        case .buildkite: .json(200, #"{"token":"\#(token)"}"#)
        case .google: .json(200, token, headers: ["Metadata-Flavor: Google"])
        case .impersonation:
            request.path.hasPrefix("/computeMetadata")
                ? .json(
                    200, #"{"access_token":"ya29.access","expires_in":3599,"token_type":"Bearer"}"#,
                    headers: ["Metadata-Flavor: Google"]) : .json(200, #"{"token":"\#(token)"}"#)
        case .azure: .json(200, #"{"token_type":"Bearer","expires_in":3599,"access_token":"\#(token)"}"#)
        case .aws:
            .json(
                200,
                """
                <GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>\
                <WebIdentityToken>\(token)</WebIdentityToken><Expiration>2096-10-02T07:06:40Z</Expiration>\
                </GetWebIdentityTokenResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\
                </GetWebIdentityTokenResponse>
                """)
        case .clientCredentials:
            .json(200, #"{"access_token":"opaque","id_token":"\#(token)","token_type":"Bearer"}"#)
        case .exchange:
            .json(
                200,
                #"{"access_token":"\#(token)","issued_token_type":"urn:ietf:params:oauth:token-type:id_token","token_type":"N_A"}"#
            )
        }
    }

    /// A refusal in the service's own form, which repeats what it was shown, as some do.
    func refusal(repeating shown: String) -> (status: Int, body: String) {
        switch self {
        case .kubernetes:
            (
                403,
                #"{"kind":"Status","message":"serviceaccounts \"signer\" is forbidden: \#(shown)","reason":"Forbidden","code":403}"#
            )
        case .github, .buildkite: (401, #"{"message":"forbidden: \#(shown)"}"#)
        case .google: (404, "forbidden: \(shown)")
        case .impersonation:
            (403, #"{"error":{"code":403,"message":"forbidden: \#(shown)","status":"PERMISSION_DENIED"}}"#)
        case .azure, .clientCredentials, .exchange:
            (400, #"{"error":"invalid_client","error_description":"forbidden: \#(shown)"}"#)
        case .aws:
            (
                403,
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>forbidden: \(shown)</Message></Error></ErrorResponse>"
            )
        }
    }
}
