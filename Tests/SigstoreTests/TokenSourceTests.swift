import Curl
import Dispatch
import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Sigstore

/// Every source that asks a service over HTTP, against a server that behaves as the documentation of that service says.
@Suite struct TokenSourceTests {
    let http = HTTPClient()
    let folder: TemporaryDirectory
    let file: String

    init() throws {
        folder = try TemporaryDirectory()
        file = try folder.write(TokenServiceKind.shown + "\n", to: "own-token")
    }

    private func failure(
        _ kind: TokenServiceKind, route: HTTPRoute = .toTestServer,
        _ script: @escaping @Sendable (ScriptedService.Request) -> ScriptedService.Answer
    ) async throws -> SigstoreError {
        let service = try ScriptedService(script)
        defer { service.stop() }
        let source = kind.source(service.url, file: file, http: http, route: route)
        let error = try #require(await #expect(throws: SigstoreError.self) { try await source.token() })
        for secret in [TokenServiceKind.secret, TokenServiceKind.given, TokenServiceKind.shown] {
            #expect(!"\(error) \(error.fix)".contains(secret.suffix(20)))
        }
        return error
    }

    @Test(arguments: TokenServiceKind.allCases)
    func `a service's token is read`(kind: TokenServiceKind) async throws {
        let service = try ScriptedService { kind.answer(TokenServiceKind.given, to: $0) }
        defer { service.stop() }
        let token = try await kind.source(service.url, file: file, http: http, route: .toTestServer).token()
        #expect(token.withBearer { $0 } == TokenServiceKind.given)
        #expect(token.claims.subject == "signer")
    }

    @Test(arguments: TokenServiceKind.allCases)
    func `a refusal is told in the service's words and without what it repeats`(kind: TokenServiceKind) async throws {
        let sendsSecret = kind == .github || kind == .buildkite || kind == .clientCredentials
        let shown = sendsSecret ? TokenServiceKind.secret : TokenServiceKind.shown
        let (status, body) = kind.refusal(repeating: shown)
        let error = try await failure(kind) { _ in .json(status, body) }
        #expect(error.code == "identity.refused")
        #expect(error.observed.contains("forbidden"))
        #expect(error.observed.contains("\(status)"))
        #expect(error.observed.contains("redacted"))
        #expect(error.isTransient && error.stage == "identity")
    }

    @Test func `a client secret is found in whatever form it is repeated`() async throws {
        // without a digit and short: nothing by which it would be known for a secret
        let secret = "let/me & in"
        let service = try ScriptedService { _ in
            .json(401, #"{"error_description":"no client has let\/me \u0026 in, nor let%2Fme%20%26%20in"}"#)
        }
        defer { service.stop() }
        for inBody in [true, false] {
            let client = OAuthClient(url: service.url, id: "signer", secret: secret, sendsSecretInBody: inBody)
            let source = ClientCredentialsTokenSource(client, http: http, route: .toTestServer)
            let error = try #require(await #expect(throws: SigstoreError.self) { try await source.token() })
            #expect(error.observed.contains("no client has «redacted», nor «redacted»"))
        }
    }

    @Test(arguments: TokenServiceKind.allCases)
    func `an answer that cannot be used has its own code`(kind: TokenServiceKind) async throws {
        let huge = String(repeating: "x", count: TokenService.maxAnswerBytes + 1)
        func code(_ answer: ScriptedService.Answer) async throws -> String {
            try await failure(kind) { _ in answer }.code
        }
        let flavor = ["Metadata-Flavor: Google"]
        #expect(try await code(.json(200, huge, headers: flavor)) == "identity.bad_answer")
        #expect(try await code(.json(200, "<html>login</html>", headers: flavor)) == "identity.bad_answer")
        #expect(try await code(.json(200, "{}", headers: flavor)) == "identity.bad_answer")
        #expect(try await code(.json(200, "[]", headers: flavor)) == "identity.bad_answer")
        #expect(try await code(.json(302, "", headers: ["Location: http://127.0.0.1:1/"])) == "identity.bad_answer")
        #expect(try await code(.json(500, "{}")) == "identity.unavailable")
        #expect(try await code(.json(429, "{}", headers: ["Retry-After: 7"])) == "identity.throttled")
        #expect(try await code(.lost) == "identity.unavailable")
        let garbled = try await failure(kind) { kind.answer("no.token!.here", to: $0) }
        #expect(garbled.code == "identity.bad_answer")
        #expect(!garbled.observed.contains("no.token"))
    }

    @Test(arguments: TokenServiceKind.allCases)
    func `a service that does not answer in time is unavailable`(kind: TokenServiceKind) async throws {
        let released = DispatchSemaphore(value: 0)
        var route = HTTPRoute.toTestServer
        route.totalTimeout = .milliseconds(200)
        let error = try await failure(kind, route: route) { _ in
            released.wait()
            return .lost
        }
        released.signal()
        #expect(error.code == "identity.unavailable")
        #expect(error.observed.contains("timed out"))
    }

    @Test(arguments: TokenServiceKind.allCases)
    func `a token for others, of others or too old is found before Fulcio is asked`(kind: TokenServiceKind) async throws
    {
        let service = try ScriptedService { kind.answer(TokenServiceKind.given, to: $0) }
        defer { service.stop() }
        let source = kind.source(service.url, file: file, http: http, route: .toTestServer)
        func code(at time: Double = 3_000_000_000, audience: String = "sigstore", issuer: String? = nil) async
            -> String?
        {
            do throws(SigstoreError) {
                _ = try await source.token(
                    usableAt: Date(timeIntervalSince1970: time), audience: audience, issuer: issuer)
                return nil
            } catch { return error.code }
        }
        #expect(await code() == nil)
        #expect(await code(issuer: "https://issuer.example") == nil)
        #expect(await code(audience: "other") == "identity.audience")
        #expect(await code(issuer: "https://other.example") == "identity.issuer")
        #expect(await code(at: 4_000_000_000) == "identity.token_expired")
    }

    // MARK: What is asked

    private func request(_ kind: TokenServiceKind) async throws -> [ScriptedService.Request] {
        let service = try ScriptedService { kind.answer(TokenServiceKind.given, to: $0) }
        defer { service.stop() }
        _ = try await kind.source(service.url, file: file, http: http, route: .toTestServer).token()
        return service.requests
    }

    @Test func `Kubernetes is asked by TokenRequest, as the pod`() async throws {
        let request = try #require(try await request(.kubernetes).first)
        #expect(request.method == "POST")
        // the namespace is that of the pod's own token
        #expect(request.path == "/api/v1/namespaces/ci/serviceaccounts/signer/token")
        #expect(request.head.contains("Authorization: Bearer \(TokenServiceKind.shown)\r\n"))
        let body = try JSONValue(parsing: request.body)
        #expect(body["kind"]?.text == "TokenRequest" && body["apiVersion"]?.text == "authentication.k8s.io/v1")
        #expect(body["spec"]?["audiences"] == .array([.string("sigstore")]))
        #expect(body["spec"]?["expirationSeconds"]?.integer == 600)
    }

    @Test func `GitHub's and Buildkite's job services are asked with the job's own credentials`() async throws {
        let github = try #require(try await request(.github).first)
        #expect(github.method == "GET" && github.path == "/token?api-version=2.0&audience=sigstore")
        #expect(github.head.contains("Authorization: Bearer \(TokenServiceKind.secret)"))
        let buildkite = try #require(try await request(.buildkite).first)
        #expect(buildkite.method == "POST" && buildkite.path == "/v3/jobs/0190-job/oidc/tokens")
        #expect(buildkite.head.contains("Authorization: Token \(TokenServiceKind.secret)"))
        #expect(try JSONValue(parsing: buildkite.body)["audience"]?.text == "sigstore")
    }

    @Test func `Google is asked with its header, and impersonation with the access token`() async throws {
        let metadata = try #require(try await request(.google).first)
        #expect(
            metadata.path
                == "/computeMetadata/v1/instance/service-accounts/default/identity?audience=sigstore&format=full")
        #expect(metadata.head.contains("Metadata-Flavor: Google"))
        let both = try await request(.impersonation)
        #expect(both.first?.path == "/computeMetadata/v1/instance/service-accounts/default/token")
        let generate = try #require(both.last)
        #expect(
            generate.path
                == "/v1/projects/-/serviceAccounts/signer%40project.iam.gserviceaccount.com:generateIdToken")
        #expect(generate.head.contains("Authorization: Bearer ya29.access"))
        let body = try JSONValue(parsing: generate.body)
        #expect(body["audience"]?.text == "sigstore" && body["includeEmail"] == .bool(true))
    }

    @Test func `a metadata server without its header is not believed`() async throws {
        let error = try await failure(.google) { _ in .json(200, TokenServiceKind.given) }
        #expect(error.code == "identity.bad_answer")
    }

    @Test func `Entra is asked with the federated token as assertion`() async throws {
        let request = try #require(try await request(.azure).first)
        #expect(request.method == "POST" && request.path == "/tenant/oauth2/v2.0/token")
        let form = String(decoding: request.body, as: UTF8.self)
        #expect(form.contains("client_assertion=\(TokenServiceKind.shown)&"))
        #expect(form.contains("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"))
        #expect(form.contains("client_id=client&") && form.hasSuffix("scope=api%3A%2F%2Fsigstore%2F.default"))
    }

    @Test func `OAuth clients prove themselves in the header or in the body`() async throws {
        let basic = try #require(try await request(.clientCredentials).first)
        let pair = "signer:\(TokenService.escape(TokenServiceKind.secret))"
        #expect(basic.head.contains("Authorization: Basic \(Base64.encode(Array(pair.utf8)))"))
        #expect(
            String(decoding: basic.body, as: UTF8.self)
                == "grant_type=client_credentials&scope=openid&audience=sigstore")
        let body = try #require(try await request(.exchange).first)
        let form = String(decoding: body.body, as: UTF8.self)
        #expect(!body.head.contains("Authorization:"))
        #expect(form.hasPrefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"))
        #expect(form.contains("subject_token=\(TokenServiceKind.shown)&"))
        #expect(form.contains("requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token"))
        #expect(form.contains("client_secret=\(TokenService.escape(TokenServiceKind.secret))"))
    }

    @Test func `what the environment lacks is named, with who would set it`() async throws {
        let empty = EnvironmentReader([:])
        let sources: [(any IdentityTokenSource, String)] = [
            (GitHubActionsTokenSource(audience: "a", http: http, environment: empty), "ACTIONS_ID_TOKEN_REQUEST_URL"),
            (BuildkiteTokenSource(audience: "a", http: http, environment: empty), "BUILDKITE_AGENT_ACCESS_TOKEN"),
            (AzureTokenSource(.init(), audience: "a", http: http, environment: empty), "AZURE_TENANT_ID"),
            (AWSTokenSource(audience: "a", http: http, environment: empty), "AWS_REGION"),
            (SPIFFETokenSource(audience: "a", http: http, environment: empty), "SPIFFE_ENDPOINT_SOCKET"),
            (NamedFileTokenSource(variable: "AWS_WEB_IDENTITY_TOKEN_FILE", environment: empty), "AWS_WEB_IDENTITY"),
            (EnvironmentTokenSource(variable: "SIGSTORE_ID_TOKEN", environment: empty), "SIGSTORE_ID_TOKEN"),
        ]
        for (source, name) in sources {
            let error = await #expect(throws: SigstoreError.self) { try await source.token() }
            #expect(error?.code == "identity.token_missing")
            #expect(error?.observed.contains(name) == true)
        }
    }

    @Test func `a file that a variable names is read anew each time`() async throws {
        let source = NamedFileTokenSource(variable: "F", environment: EnvironmentReader(["F": file]))
        #expect(try await source.token().claims.kubernetes?.serviceAccount == "runner")
        try folder.write(TokenServiceKind.given, to: "own-token")
        #expect(try await source.token().claims.subject == "signer")
    }

    @Test func `the ambient source takes the first place that has a token`() async throws {
        let other = Fixture.token(TokenServiceKind.podClaims)
        let service = try ScriptedService { TokenServiceKind.github.answer(other, to: $0) }
        defer { service.stop() }
        var variables = [
            "ACTIONS_ID_TOKEN_REQUEST_URL": service.url + "/token?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
            "SIGSTORE_ID_TOKEN": TokenServiceKind.given,
        ]
        func token() async throws -> IdentityToken {
            try await AmbientTokenSource(
                audience: "sigstore", http: http, route: .toTestServer, environment: EnvironmentReader(variables)
            ).token()
        }
        #expect(try await token().claims.subject == "signer")
        variables["SIGSTORE_ID_TOKEN"] = nil
        #expect(try await token().claims.kubernetes?.serviceAccount == "runner")
        variables = [:]
        let none = AmbientTokenSource(audience: "a", http: http, environment: EnvironmentReader(variables))
        if none.detected == nil {
            let error = await #expect(throws: SigstoreError.self) { try await none.token() }
            #expect(error?.code == "identity.token_missing")
        }
    }
}

@Suite struct ScrubbedTextTests {
    @Test(arguments: [
        ("plain words stay", "plain words stay"),
        ("bad token eyJhbGciOiJub25lIn0.eyJ.c2ln!", "bad token «redacted»!"),
        ("Authorization: Bearer ya29.A0ARrdaM8xyz1234567890", "Authorization: Bearer «redacted»"),
        ("id 4f3c2d1b0a9f8e7d6c5b4a39 seen", "id «redacted» seen"),
        ("serviceaccounts \"signer\" is forbidden", "serviceaccounts \"signer\" is forbidden"),
        ("https://kubernetes.default.svc:443", "https://kubernetes.default.svc:443"),
        ("line\none\u{1b}[31m", "line one [31m"),
    ])
    func `what looks like a token is not shown`(text: String, expected: String) {
        #expect(scrubbed(text) == expected)
    }

    @Test func `a long text is cut`() { #expect(scrubbed(String(repeating: "a b ", count: 10_000)).count <= 513) }
}
