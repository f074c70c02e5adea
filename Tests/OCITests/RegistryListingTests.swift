import OCI
import Testing

/// Listings by pages, and the heads of answers.
@Suite struct RegistryListingTests {
    @Test func `pages are asked for one by one, each where the registry says that it is`() async throws {
        let registry = try FakeRegistry { state in
            state.script = { request, _ in
                switch request.target {
                case "/v2/app/tags/list?n=2":
                    .init(
                        headers: [("Link", #"</v2/app/tags/list?n=2&last=b>; rel="next""#)],
                        body: Array(#"{"name":"app","tags":["a","b"]}"#.utf8))
                case "/v2/app/tags/list?n=2&last=b": .init(body: Array(#"{"name":"app","tags":["c"]}"#.utf8))
                default: nil
                }
            }
        }
        let client = try registry.client()
        let first = try await client.tagPage("app", size: 2)
        #expect(first.names == ["a", "b"] && first.next == "/v2/app/tags/list?n=2&last=b")
        let second = try await client.tagPage("app", at: first.next)
        #expect(second.names == ["c"] && second.next == nil)
    }

    @Test(arguments: [
        #"<https://elsewhere.example/v2/app/tags/list?last=b>; rel="next""#,
        #"</v2/app/tags/list?n=2>; rel="next""#,
    ])
    func `a next page that is elsewhere, or this one, is refused`(link: String) async throws {
        let registry = try FakeRegistry { state in
            state.script = { _, _ in .init(headers: [("Link", link)], body: Array(#"{"tags":["a"]}"#.utf8)) }
        }
        let error = await #expect(throws: OCIError.self) { try await registry.client().tagPage("app", size: 2) }
        #expect(error?.code == "registry.unexpected_answer")
    }

    @Test func `the catalog is a list of names, and asks for a scope of its own`() async throws {
        let registry = try FakeRegistry { state in
            state.authentication = .bearer()
            state.script = { request, _ in
                guard request.path == "/v2/_catalog", request.headers["authorization"] != nil else { return nil }
                return .init(body: Array(#"{"repositories":["a","b/c"]}"#.utf8))
            }
        }
        let client = try registry.client()
        #expect(try await client.catalogPage(size: 10).names == ["a", "b/c"])
        #expect(registry.requests.contains { $0.path == "/token" && $0.target.contains("registry%3Acatalog%3A%2A") })
    }

    @Test func `what is no list is an error, and so is no answer`() async throws {
        let registry = try FakeRegistry()
        let client = try registry.client()
        for body in [#"{"repositories":{}}"#, "{}", #"{"repositories":[1]}"#] {
            registry.change { $0.script = { _, _ in .init(body: Array(body.utf8)) } }
            let error = await #expect(throws: OCIError.self) { try await client.catalogPage() }
            #expect(error?.code == "registry.unexpected_answer")
        }
        registry.change { $0.script = { _, _ in .init(body: Array(#"{"repositories":null}"#.utf8)) } }
        #expect(try await client.catalogPage().names.isEmpty)
        registry.change { $0.script = { _, _ in FakeRegistry.error(404, "NAME_UNKNOWN") } }
        let error = await #expect(throws: OCIError.self) { try await client.catalogPage() }
        #expect(error?.code == "registry.not_found")
    }

    @Test func `where a tag points is read from the head of the answer`() async throws {
        let digest = Digest.sha256(of: [1, 2, 3])
        let registry = try FakeRegistry { state in
            state.script = { request, _ in
                guard request.method == "HEAD" else { return nil }
                return switch request.path {
                case "/v2/app/manifests/v1": .init(headers: [("Docker-Content-Digest", "\(digest)")])
                case "/v2/app/manifests/v2": .init()
                default: .init(status: 404)
                }
            }
        }
        let client = try registry.client()
        #expect(try await client.claimedDigest("app", tag: "v1") == digest)
        #expect(try await client.claimedDigest("app", tag: "v2") == nil)
        let error = await #expect(throws: OCIError.self) { try await client.claimedDigest("app", tag: "v3") }
        #expect(error?.code == "registry.not_found")
    }
}
