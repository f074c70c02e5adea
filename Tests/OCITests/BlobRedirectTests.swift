import OCI
import Testing

/// Blobs lie in object stores as often as in registries; who keeps them is not who we know.
@Suite struct BlobRedirectTests {
    @Test(arguments: [
        #"Basic realm="store""#, #"Bearer realm="https://foreign.example/token""#, #"Bearer realm="OWN/v2/secret""#,
    ])
    func `the host that a blob is redirected to does not choose what the registry is shown`(challenge: String)
        async throws
    {
        let registry = try FakeRegistry { $0.authentication = .bearer() }
        let asks = challenge.replacing("OWN", with: registry.url)
        let store = try FakeRegistry {
            $0.script = { _, _ in .init(status: 401, headers: [("WWW-Authenticate", asks)]) }
        }
        registry.change { [url = store.url] state in
            state.script = { request, _ in
                request.headers["authorization"] != nil && request.path.contains("/blobs/sha256:")
                    ? .init(status: 307, headers: [("Location", url + "/bucket?sig=1")]) : nil
            }
        }
        let client = try registry.client(credentials: RegistryClientAuthTests.user)
        for refused in 1...2 {
            await #expect {
                try await client.blob("app", .sha256(of: [7]), limit: 10)
            } throws: { error in
                guard let error = error as? OCIError else { return false }
                return error.code == "registry.redirect_target_refused" && error.isTransient && error.status == 401
                    && "\(error)".contains("redirected to \(store.url), answered 401")
            }
            await #expect {
                try await client.hasBlob("app", .sha256(of: [7]))
            } throws: {
                ($0 as? OCIError)?.code == "registry.redirect_target_refused"
            }
            #expect(store.log.count == 2 * refused)
        }
        try await client.pushBlob("app", [8])
        let shown = registry.requests.filter { $0.path.hasPrefix("/v2/") }.compactMap { $0.headers["authorization"] }
        #expect(shown.allSatisfy { $0.hasPrefix("Bearer token-") })
        #expect(!registry.log.contains("GET /v2/secret"))
        #expect(store.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test func `a store that refuses an address once is asked by a fresh one`() async throws {
        let store = try FakeRegistry {
            $0.script = { _, number in number == 1 ? .init(status: 403) : .init(body: [7]) }
        }
        let registry = try FakeRegistry { [url = store.url] in
            $0.script = { _, _ in .init(status: 307, headers: [("Location", url + "/bucket")]) }
        }
        let client = try registry.client()
        await #expect {
            try await client.blob("app", .sha256(of: [7]), limit: 10)
        } throws: {
            ($0 as? OCIError)?.code == "registry.redirect_target_refused"
        }
        #expect(try await client.blob("app", .sha256(of: [7]), limit: 10) == [7])
    }
}
