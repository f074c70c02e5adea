import Curl
import FoundationEssentials
import StrictJSON

/// Credentials of the workload, from the first place that has any, in the order of AWS's own tools: environment, web identity
/// (IRSA), container (ECS, EKS Pod Identity), instance metadata (version 2 only).
struct AWSCredentialChain: Sendable {
    let region: String
    let sts: String
    let environment: EnvironmentReader
    let http: HTTPClient
    let route: HTTPRoute
    /// The metadata server of an EC2 instance; another one in tests.
    var instanceMetadata = "http://169.254.169.254"

    private static let name = "AWS credentials"

    func credentials() async throws(SigstoreError) -> AWSCredentials {
        if let key = environment["AWS_ACCESS_KEY_ID"] {
            let secret = try environment.required(
                "AWS_SECRET_ACCESS_KEY", for: Self.name, setBy: "whoever set AWS_ACCESS_KEY_ID")
            return AWSCredentials(accessKey: key, secretKey: secret, sessionToken: environment["AWS_SESSION_TOKEN"])
        }
        if let file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"] { return try await webIdentity(file) }
        if let path = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            return try await container("http://169.254.170.2\(path)")
        }
        if let url = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] { return try await container(url) }
        return try await instance()
    }

    /// `AssumeRoleWithWebIdentity` with the pod's own token; the one request that needs no signature.
    private func webIdentity(_ file: String) async throws(SigstoreError) -> AWSCredentials {
        let role = try environment.required("AWS_ROLE_ARN", for: Self.name, setBy: "EKS's pod webhook")
        let token = try await FileTokenSource(path: file).token()
        let service = TokenService("AWS STS", http: http, route: route)
        let response = try await service.post(
            sts,
            form: [
                ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
                ("RoleSessionName", environment["AWS_ROLE_SESSION_NAME"] ?? "countersign"),
                ("WebIdentityToken", token.withBearer { $0 }), ("DurationSeconds", "900"),
            ], headers: ["Accept": "text/xml"])
        guard response.status == 200 else { throw service.failure(response) }
        let text = String(decoding: response.body, as: UTF8.self)
        guard let key = XMLText.element("AccessKeyId", in: text),
            let secret = XMLText.element("SecretAccessKey", in: text),
            let session = XMLText.element("SessionToken", in: text)
        else { throw service.bad("no credentials in the answer") }
        return AWSCredentials(accessKey: key, secretKey: secret, sessionToken: session)
    }

    private func container(_ url: String) async throws(SigstoreError) -> AWSCredentials {
        let service = TokenService("AWS container credentials", http: http, route: hostRoute)
        var headers: HTTPHeaders = ["Accept": "application/json"]
        // EKS Pod Identity renews the file; ECS gives a fixed value
        if let file = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
            let text = try FileTokenSource(path: file).text()
            headers["Authorization"] = String(text.prefix { !$0.isNewline })
        } else if let token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] {
            headers["Authorization"] = token
        }
        return try await read(try await service.get(url, headers: headers), service)
    }

    private func instance() async throws(SigstoreError) -> AWSCredentials {
        let service = TokenService("EC2 instance metadata", http: http, route: hostRoute)
        let session = try await service.put(
            "\(instanceMetadata)/latest/api/token", headers: ["X-aws-ec2-metadata-token-ttl-seconds": "60"])
        guard session.status == 200 else { throw service.failure(session) }
        let headers: HTTPHeaders = [
            "X-aws-ec2-metadata-token": String(decoding: session.body, as: UTF8.self).filter { !$0.isWhitespace }
        ]
        let folder = "\(instanceMetadata)/latest/meta-data/iam/security-credentials/"
        let list = try await service.get(folder, headers: headers)
        guard list.status == 200 else { throw service.failure(list) }
        guard let role = String(decoding: list.body, as: UTF8.self).split(whereSeparator: \.isNewline).first else {
            throw service.bad("the instance has no role")
        }
        return try await read(
            try await service.get(folder + TokenService.escape(String(role)), headers: headers), service)
    }

    private func read(_ response: HTTPResponse, _ service: TokenService) async throws(SigstoreError) -> AWSCredentials {
        AWSCredentials(
            accessKey: try service.text("AccessKeyId", in: response),
            secretKey: try service.text("SecretAccessKey", in: response),
            sessionToken: try service.document(response).value["Token"]?.text)
    }

    /// Addresses of the host itself, in clear and never through a proxy.
    private var hostRoute: HTTPRoute {
        var route = route
        route.proxy = .none
        route.addresses = .privateAllowed
        route.allowPlainHTTP = true
        return route
    }
}
