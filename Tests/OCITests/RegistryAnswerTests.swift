import OCI
import Testing

@Suite struct RegistryAnswerTests {
    static let refresh = Credentials.identityToken(.init("opaque/refresh+token"))

    @Test(arguments: [
        (RegistryClientAuthTests.user, "basic", "/v2/"), (RegistryClientAuthTests.user, "bearer", "/v2/"),
        (RegistryClientAuthTests.user, "bearer", "/token"), (refresh, "bearer", "/token"),
        (.bearer(.init("opaque-registry-token")), "bearer", "/v2/"),
    ])
    func `a page that prints the whole request is told without what was shown`(
        credentials: Credentials, scheme: String, refusing: String
    ) async throws {
        let registry = try FakeRegistry {
            $0.authentication = scheme == "basic" ? .basic(user: "robot", password: "other") : .bearer()
            $0.script = { request, _ in
                let sent = request.headers["authorization"]
                guard request.path == refusing, sent != nil || !request.body.isEmpty else { return nil }
                let isBasic = sent?.hasPrefix("Basic ") == true
                let page =
                    String(repeating: ".", count: 1_940)
                    + " \(sent ?? "") \(String(decoding: request.body, as: UTF8.self))"
                    + (isBasic ? " robot:s3cret" : "")
                return .init(status: 502, body: Array(page.utf8))
            }
        }
        await #expect {
            try await registry.client(credentials: credentials).ping()
        } throws: { error in
            let text = "\(error)"
            return text.contains("answered 502") && text.contains("«redact")
                && !["s3cret", "cm9ib3Q6c", "opaque", "token-1"].contains { text.contains($0) }
        }
    }
}
