import Curl
import FoundationEssentials
import Support
import Testing

@testable import Sigstore

@Suite struct AWSSignatureTests {
    private func signature(
        _ region: String, _ service: String, session: String? = nil, method: String, query: String = "",
        headers: [(String, String)], body: String = "", at time: Int64 = 1_440_938_160
    ) -> String {
        let credentials = AWSCredentials(
            accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", sessionToken: session)
        let fields = AWSSignature(credentials: credentials, region: region, service: service).fields(
            method: method, path: "/", query: query, headers: headers, body: Array(body.utf8),
            at: Date(unixSeconds: time))
        return fields.last?.1.split(separator: "=").last.map(String.init) ?? ""
    }

    /// The published test suite of Signature Version 4 (`get-vanilla`, `post-x-www-form-urlencoded`), the IAM user guide's
    /// example, and a signature of botocore 1.4x for this very request.
    @Test func `signatures are those that AWS publishes`() {
        let host = ("host", "example.amazonaws.com")
        #expect(
            signature("us-east-1", "service", method: "GET", headers: [host])
                == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        #expect(
            signature(
                "us-east-1", "service", method: "POST",
                headers: [("content-type", "application/x-www-form-urlencoded"), host], body: "Param1=value1")
                == "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        #expect(
            signature(
                "us-east-1", "iam", method: "GET", query: "Action=ListUsers&Version=2010-05-08",
                headers: [form, ("host", "iam.amazonaws.com")])
                == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
        #expect(
            signature(
                "eu-central-1", "sts", session: "session+token/==", method: "POST",
                headers: [form, ("host", "sts.eu-central-1.amazonaws.com")],
                body:
                    "Action=GetWebIdentityToken&Version=2011-06-15&Audience.member.1=sigstore&SigningAlgorithm=RS256&DurationSeconds=300",
                at: 1_795_478_400) == "2c3db39b30aad495281a29bb8dde486401258e99cd69fa97fddb6e5b22dff1eb")
    }
}

/// Where AWS credentials come from, and the request that is made with them.
@Suite struct AWSTokenSourceTests {
    let http = HTTPClient()
    let folder: TemporaryDirectory
    let file: String

    init() throws {
        folder = try TemporaryDirectory()
        file = try folder.write(TokenServiceKind.shown, to: "token")
    }

    private func requests(
        _ variables: [String: String],
        _ answer: @escaping @Sendable (ScriptedService.Request) -> ScriptedService.Answer?
    ) async throws -> [ScriptedService.Request] {
        let service = try ScriptedService { request in
            answer(request) ?? TokenServiceKind.aws.answer(TokenServiceKind.given, to: request)
        }
        defer { service.stop() }
        var request = AWSTokenSource.Request()
        request.endpoint = service.url
        var environment = variables.mapValues { $0.replacing("{url}", with: service.url) }
        environment["AWS_REGION"] = "eu-central-1"
        _ = try await AWSTokenSource(
            request, audience: "sigstore", http: http, route: .toTestServer,
            environment: EnvironmentReader(environment),
            instanceMetadata: service.url, now: { Date(unixSeconds: 1_795_478_400) }
        ).token()
        return service.requests
    }

    private static let keys =
        #"{"AccessKeyId":"ASIAFROM","SecretAccessKey":"secret","Token":"session","Expiration":"2096-10-02T07:06:40Z"}"#

    @Test func `the request is GetWebIdentityToken, signed for the region`() async throws {
        let keys = ["AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "session"]
        let request = try #require(try await requests(keys) { _ in nil }.first)
        #expect(request.method == "POST" && request.path == "/")
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == "Action=GetWebIdentityToken&Version=2011-06-15&Audience.member.1=sigstore&SigningAlgorithm=RS256&DurationSeconds=300"
        )
        let head = request.head.lowercased()
        #expect(
            head.contains(
                "authorization: aws4-hmac-sha256 credential=akidexample/20261124/eu-central-1/sts/aws4_request"))
        #expect(head.contains("signedheaders=content-type;host;x-amz-date;x-amz-security-token"))
        #expect(head.contains("x-amz-date: 20261124t000000z") && head.contains("x-amz-security-token: session"))
    }

    @Test func `a pod's web identity assumes its role first`() async throws {
        let requests = try await requests([
            "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        ]) {
            String(decoding: $0.body, as: UTF8.self).contains("AssumeRoleWithWebIdentity")
                ? .json(
                    200,
                    "<R><Credentials><AccessKeyId>ASIAFROM</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>a&amp;b</SessionToken></Credentials></R>"
                ) : nil
        }
        let first = String(decoding: try #require(requests.first).body, as: UTF8.self)
        #expect(first.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"))
        #expect(first.contains("WebIdentityToken=\(TokenServiceKind.shown)"))
        #expect(requests.last?.head.contains("ASIAFROM") == true)
        #expect(requests.last?.head.lowercased().contains("x-amz-security-token: a&b") == true)
    }

    @Test func `a container's credentials are asked with its authorization`() async throws {
        let authorization = try folder.write("file-token\n", to: "authorization")
        let requests = try await requests([
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": authorization,
        ]) { $0.path == "/v1/credentials" ? .json(200, Self.keys) : nil }
        #expect(requests.first?.head.contains("Authorization: file-token") == true)
        #expect(requests.last?.head.contains("ASIAFROM") == true)
    }

    @Test func `an instance is asked by version 2 of its metadata service`() async throws {
        let requests = try await requests([:]) { request in
            switch request.path {
            case "/latest/api/token": .bytes(200, Array("session-token".utf8))
            case "/latest/meta-data/iam/security-credentials/": .bytes(200, Array("the-role\n".utf8))
            case "/latest/meta-data/iam/security-credentials/the-role": .json(200, Self.keys)
            default: nil
            }
        }
        #expect(requests.first?.method == "PUT")
        #expect(
            requests.dropFirst().prefix(2).allSatisfy { $0.head.contains("X-aws-ec2-metadata-token: session-token") })
        #expect(requests.count == 4)
    }

    @Test func `credentials never show themselves`() {
        let credentials = AWSCredentials(accessKey: "AK", secretKey: "hidden-secret", sessionToken: "hidden-session")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] { #expect(!text.contains("hidden")) }
    }
}
