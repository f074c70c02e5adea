import Curl
import OCI
import Support
import Testing

@Suite struct RegistryClientAuthTests {
    static let user = Credentials.basic(username: "robot", password: .init("s3cret"))

    @Test func `nothing is presented before the registry asks`() async throws {
        let registry = try FakeRegistry()
        try await registry.client(credentials: Self.user).ping()
        #expect(registry.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test func `basic credentials are presented once asked, and then at once`() async throws {
        let registry = try FakeRegistry { $0.authentication = .basic(user: "robot", password: "s3cret") }
        let client = try registry.client(credentials: Self.user)
        try await client.ping()
        try await client.pushBlob("app", [1])
        #expect(
            registry.log == [
                "GET /v2/", "GET /v2/", "POST /v2/app/blobs/uploads/", "PUT /v2/app/blobs/uploads/session",
            ])
    }

    @Test func `a password that somebody renews is used from then on`() async throws {
        let folder = try TemporaryDirectory()
        let file = try folder.write("s3cret\n", to: "password")
        let registry = try FakeRegistry { $0.authentication = .basic(user: "robot", password: "s3cret") }
        let client = try registry.client(credentials: PasswordFileSource(username: "robot", path: file))
        try await client.ping()
        registry.change { $0.authentication = .basic(user: "robot", password: "renewed") }
        await #expect { try await client.ping() } throws: { ($0 as? OCIError)?.code == "registry.unauthorized" }
        try folder.write("renewed\n", to: "password")
        try await client.ping()
        try folder.write("\n", to: "password")
        try await client.ping()  // the old one is still good, and nobody asked anew
        registry.change { $0.authentication = .basic(user: "robot", password: "again") }
        await #expect("a password that cannot be read is not 'no password'") {
            try await client.ping()
        } throws: {
            ($0 as? OCIError)?.code == "registry.credentials_malformed"
        }
    }

    @Test func `a token that ended is asked for with what the config.json says by then`() async throws {
        let folder = try TemporaryDirectory()
        func renew(_ password: String) throws -> String {
            try folder.write(
                #"{"auths":{"registry.test":{"username":"AWS","password":"\#(password)"}}}"#, to: "config.json")
        }
        let file = try renew("first")
        let registry = try FakeRegistry { $0.authentication = .bearer(expiresIn: 0) }
        let client = try registry.client(credentials: DockerConfigSource(path: file, registry: "registry.test"))
        try await client.ping()
        _ = try renew("second")
        try await client.ping()
        let shown = registry.requests.filter { $0.path == "/token" }.map { $0.headers["authorization"] }
        #expect(shown == ["Basic QVdTOmZpcnN0", "Basic QVdTOnNlY29uZA=="])
    }

    @Test func `wrong basic credentials end after one repetition`() async throws {
        let registry = try FakeRegistry { $0.authentication = .basic(user: "robot", password: "other") }
        let client = try registry.client(credentials: Self.user)
        await #expect { try await client.ping() } throws: { error in
            (error as? OCIError)?.code == "registry.unauthorized" && !"\(error)".contains("s3cret")
        }
        #expect(registry.log.count == 2)
    }

    @Test func `one token serves all requests of its scope`() async throws {
        let registry = try FakeRegistry { $0.authentication = .bearer() }
        let client = try registry.client(credentials: Self.user)
        for byte in 0..<3 as Range<UInt8> { try await client.pushBlob("app", [byte]) }
        #expect(client.requestCounts == [.token: 1, .uploadStart: 4, .uploadPut: 3])
        let tokenRequest = try #require(registry.requests.first { $0.path == "/token" })
        #expect(tokenRequest.target.contains("scope=repository%3Aapp%3Apull%2Cpush"))
        #expect(!tokenRequest.target.contains("evil"))
        #expect(tokenRequest.headers["authorization"] == "Basic cm9ib3Q6czNjcmV0")
    }

    @Test func `a push token also pulls, a pull token does not push`() async throws {
        let registry = try FakeRegistry { $0.authentication = .bearer() }
        let client = try registry.client()
        let digest = try await client.pushBlob("app", [1])
        _ = try await client.blob("app", digest, limit: 10)
        #expect(client.requestCounts[.token] == 1)
        try await client.pushBlob("other", [1])
        #expect(client.requestCounts[.token] == 2)
    }

    @Test func `concurrent requests share one token call`() async throws {
        let registry = try FakeRegistry { $0.authentication = .bearer() }
        let client = try registry.client()
        // the registry is met first, so that the scheme is known and all of them need the same token
        try await client.ping()
        let digest = registry.change { state -> Digest in
            let digest = Digest.sha256(of: [1])
            state.blobs["\(digest)"] = [1]
            return digest
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await client.blob("app", digest, limit: 10) } }
            try await group.waitForAll()
        }
        #expect(client.requestCounts[.token] == 2)
    }

    @Test func `an expired token is replaced without a 401`() async throws {
        let registry = try FakeRegistry { $0.authentication = .bearer(expiresIn: 0) }
        let client = try registry.client()
        try await client.pushBlob("app", [1])
        // one challenge; then each request of a token that lives 0 s brings its own
        #expect(client.requestCounts == [.token: 2, .uploadStart: 2, .uploadPut: 1])
    }

    @Test func `a token refused before its end is replaced once`() async throws {
        let registry = try FakeRegistry { $0.authentication = .bearer() }
        let client = try registry.client()
        try await client.pushBlob("app", [1])
        registry.change { $0.tokens.removeAll() }
        try await client.pushBlob("app", [2])
        #expect(client.requestCounts[.token] == 2)
    }

    @Test func `a registry that refuses every token is unauthorized`() async throws {
        let registry = try FakeRegistry {
            $0.script = { request, _ in
                request.path == "/token"
                    ? .init(body: Array(#"{"token":"never-good"}"#.utf8))
                    : FakeRegistry.error(
                        401, "UNAUTHORIZED",
                        [("WWW-Authenticate", #"Bearer realm="http://\#(request.headers["host"] ?? "")/token""#)])
            }
        }
        let client = try registry.client()
        for _ in 0..<2 {
            await #expect { try await client.ping() } throws: { error in
                (error as? OCIError)?.code == "registry.unauthorized" && (error as? OCIError)?.isTransient == false
                    && !"\(error)".contains("never-good")
            }
        }
    }

    @Test func `credentials do not follow the challenge to a foreign realm`() async throws {
        let foreign = try FakeRegistry()
        let registry = try FakeRegistry { [url = foreign.url] in $0.authentication = .bearer(realm: url + "/token") }
        let client = try registry.client(credentials: Self.user)
        await #expect { try await client.ping() } throws: { ($0 as? OCIError)?.code == "registry.token_realm_refused" }
        #expect(foreign.log.isEmpty)
    }

    @Test func `a listed realm is asked with credentials`() async throws {
        let foreign = try FakeRegistry()
        let registry = try FakeRegistry { [url = foreign.url] in
            $0.authentication = .bearer(realm: url + "/token")
            $0.tokens = ["Bearer token-1"]
        }
        try await registry.client(credentials: Self.user, realms: [foreign.url]).ping()
        #expect(foreign.requests.first?.headers["authorization"]?.hasPrefix("Basic ") == true)
    }

    @Test func `a token server's redirect is not followed`() async throws {
        let registry = try FakeRegistry {
            $0.authentication = .bearer()
            $0.script = { request, _ in
                request.path == "/token" ? .init(status: 307, headers: [("Location", "/elsewhere")]) : nil
            }
        }
        await #expect { try await registry.client().ping() } throws: { ($0 as? OCIError)?.status == 307 }
        #expect(!registry.log.contains("GET /elsewhere"))
    }

    @Test(arguments: [
        (429, "registry.throttled", true), (503, "registry.unavailable", true), (403, "registry.forbidden", false),
    ])
    func `a token server's refusal keeps its kind`(status: Int, code: String, isTransient: Bool) async throws {
        let registry = try FakeRegistry {
            $0.authentication = .bearer()
            $0.script = { request, _ in
                request.path == "/token" ? .init(status: status, headers: [("Retry-After", "7")]) : nil
            }
        }
        await #expect { try await registry.client().ping() } throws: { error in
            let error = error as? OCIError
            return error?.code == code && error?.isTransient == isTransient && error?.retryAfter == .seconds(7)
        }
    }

    @Test func `a scheme we do not speak is unauthorized`() async throws {
        let registry = try FakeRegistry {
            $0.script = { _, _ in FakeRegistry.error(401, "UNAUTHORIZED", [("WWW-Authenticate", "Negotiate")]) }
        }
        await #expect { try await registry.client(credentials: Self.user).ping() } throws: {
            ($0 as? OCIError)?.code == "registry.unauthorized"
        }
        #expect(registry.log.count == 1)
    }
}
