import Curl
import OCI
import Testing

@Suite struct RegistryClientTests {
    @Test func `a manifest by digest is hashed, by tag its claimed digest is checked`() async throws {
        let image = ManifestTests.image()
        let registry = try FakeRegistry { $0.manifests["v1"] = (image, MediaType.ociManifest) }
        let client = try registry.client()
        #expect(try await client.resolve("app", tag: "v1").descriptor.digest == .sha256(of: image))

        let other = Digest.sha256(of: [1])
        registry.change { $0.manifests["\(other)"] = (image, MediaType.ociManifest) }
        await #expect { try await client.manifest("app", other) } throws: {
            ($0 as? OCIError)?.code == "registry.digest_mismatch"
        }
        registry.change { state in
            state.script = { _, _ in
                .init(
                    headers: [("Content-Type", MediaType.ociManifest), ("Docker-Content-Digest", "\(other)")],
                    body: image)
            }
        }
        await #expect { try await client.resolve("app", tag: "v1") } throws: {
            ($0 as? OCIError)?.code == "registry.digest_mismatch"
        }
    }

    @Test func `a page with status 200 is no manifest, and says nothing of one`() async throws {
        let page = Array("<html>sign in</html>".utf8)
        let registry = try FakeRegistry {
            $0.script = { _, _ in .init(headers: [("Content-Type", "text/html")], body: page) }
        }
        let (client, digest) = (try registry.client(), Digest.sha256(of: ManifestTests.image()))
        await #expect { try await client.manifest("app", digest) } throws: {
            ($0 as? OCIError)?.code == "registry.unexpected_answer"
        }
        await #expect { try await client.resolve("app", tag: "v1") } throws: {
            ($0 as? OCIError)?.code == "registry.unexpected_answer"
        }
        // for whoever judges by himself
        #expect(try await client.servedManifest("app", digest).bytes == page)
    }

    @Test(arguments: ["../v2/other", "App", "a//b", "a?b", "a/../../x", ""])
    func `a name outside the grammar reaches no path`(name: String) async throws {
        let registry = try FakeRegistry()
        let client = try registry.client()
        await #expect { try await client.manifest(name, .sha256(of: [])) } throws: {
            ($0 as? OCIError)?.code == "reference.malformed"
        }
        await #expect { try await client.pushBlob(name, []) } throws: {
            ($0 as? OCIError)?.code == "reference.malformed"
        }
        await #expect { try await client.resolve("app", tag: name + "/") } throws: {
            ($0 as? OCIError)?.code == "reference.malformed"
        }
        #expect(registry.log.isEmpty)
    }

    @Test func `a blob is hashed and bounded`() async throws {
        let blob = [UInt8](repeating: 7, count: 1000)
        let digest = Digest.sha256(of: blob)
        let registry = try FakeRegistry { $0.blobs["\(digest)"] = blob }
        let client = try registry.client()
        #expect(try await client.blob("app", digest, limit: 1000) == blob)
        await #expect { try await client.blob("app", digest, limit: 999) } throws: {
            ($0 as? OCIError)?.code == "manifest.too_large"
        }
        registry.change { $0.blobs["\(digest)"] = [7] }
        await #expect { try await client.blob("app", digest, limit: 1000) } throws: {
            ($0 as? OCIError)?.code == "registry.digest_mismatch"
        }
    }

    @Test func `a blob redirect is followed without credentials`() async throws {
        let store = try FakeRegistry { $0.script = { _, _ in .init(body: [7]) } }
        let registry = try FakeRegistry { [url = store.url] in
            $0.authentication = .basic(user: "u", password: "p")
            $0.script = { request, _ in
                request.headers["authorization"] != nil
                    ? .init(status: 307, headers: [("Location", url + "/bucket/x?sig=1")]) : nil
            }
        }
        let client = try registry.client(credentials: Credentials.basic(username: "u", password: .init("p")))
        #expect(try await client.blob("app", .sha256(of: [7]), limit: 10) == [7])
        #expect(store.requests.count == 1)
        #expect(store.requests[0].headers["authorization"] == nil)
    }

    @Test func `a manifest redirect is not followed`() async throws {
        let registry = try FakeRegistry {
            $0.script = { _, _ in .init(status: 307, headers: [("Location", "/v2/other")]) }
        }
        await #expect { try await registry.client().manifest("app", .sha256(of: [])) } throws: {
            ($0 as? OCIError)?.status == 307
        }
        #expect(registry.log.count == 1)
    }

    @Test(arguments: ["relative", "absolute", "with query"]) func `an upload goes where the registry says`(form: String)
        async throws
    {
        let registry = try FakeRegistry {
            $0.script = { request, _ in
                guard request.method == "POST" else { return nil }
                let path = "/v2/app/blobs/uploads/1"
                let location =
                    switch form {
                    case "relative": path
                    case "absolute": "http://\(request.headers["host"] ?? "")\(path)"
                    default: path + "?_state=a%2Fb"
                    }
                return .init(status: 202, headers: [("Location", location)])
            }
        }
        #expect(try await registry.client().pushBlob("app", [1, 2]) == .sha256(of: [1, 2]))
        #expect(registry.change { $0.blobs.count } == 1)
        #expect(form != "with query" || registry.requests[1].target.contains("?_state=a%2Fb&digest=sha256%3A"))
    }

    /// The registry is private, so it may be on loopback; another origin that it names may not.
    @Test func `a foreign upload location sees no credentials and no private address`() async throws {
        let store = try FakeRegistry()
        let registry = try FakeRegistry { [url = store.url] in
            $0.script = { request, _ in
                request.method == "POST" ? .init(status: 202, headers: [("Location", url + "/upload")]) : nil
            }
        }
        let client = try registry.client(credentials: Credentials.basic(username: "u", password: .init("p")))
        await #expect { try await client.pushBlob("app", [1]) } throws: {
            ($0 as? OCIError)?.code == "registry.unavailable"
        }
        #expect(store.log.isEmpty)
    }

    @Test(arguments: ["", "upload", "//evil.example/upload", "file:///etc/passwd", "https://u:p@evil.example/"])
    func `an unusable upload location is an error`(location: String) async throws {
        let registry = try FakeRegistry {
            $0.script = { _, _ in .init(status: 202, headers: [("Location", location)]) }
        }
        await #expect { try await registry.client().pushBlob("app", [1]) } throws: {
            ($0 as? OCIError)?.code == "registry.unexpected_answer"
        }
        #expect(registry.log.count == 1)
    }

    @Test(arguments: [
        (401, "registry.unauthorized", false), (403, "registry.forbidden", false), (404, "registry.not_found", false),
        (405, "registry.refused", false), (412, "registry.refused", false), (429, "registry.throttled", true),
        (500, "registry.unavailable", true), (502, "registry.unavailable", true), (503, "registry.unavailable", true),
        (204, "registry.unexpected_answer", false),
    ])
    func `a status has its code and class`(status: Int, code: String, isTransient: Bool) async throws {
        let registry = try FakeRegistry {
            $0.script = { _, _ in .init(status: status, headers: [("Retry-After", "3")]) }
        }
        await #expect { try await registry.client().manifest("app", .sha256(of: [])) } throws: { error in
            let error = error as? OCIError
            return error?.code == code && error?.isTransient == isTransient && error?.status == status
                && error?.retryAfter == .seconds(3)
        }
    }

    @Test func `TOOMANYREQUESTS is throttling whatever its status`() async throws {
        let registry = try FakeRegistry { $0.script = { _, _ in FakeRegistry.error(400, "TOOMANYREQUESTS") } }
        await #expect { try await registry.client().ping() } throws: { ($0 as? OCIError)?.code == "registry.throttled" }
    }

    @Test func `a registry that is not there is unavailable`() async throws {
        let client = try { try FakeRegistry().client() }()
        await #expect { try await client.ping() } throws: {
            ($0 as? OCIError)?.code == "registry.unavailable" && ($0 as? OCIError)?.isTransient == true
        }
    }

    @Test func `remote text is bounded, printable and without tokens`() async throws {
        let registry = try FakeRegistry {
            $0.script = { _, _ in
                .init(
                    status: 500,
                    body: Array(
                        ("\u{1B}[2Jbad token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln\r\nlevel=fatal"
                            + String(repeating: "x", count: 9000)).utf8))
            }
        }
        await #expect { try await registry.client().ping() } throws: { error in
            let text = "\(error)"
            return !text.contains("eyJ") && text.utf8.count < 2200
                && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        }
    }

    @Test func `a content coding we did not ask for is refused`() async throws {
        let registry = try FakeRegistry {
            $0.script = { _, _ in .init(headers: [("Content-Encoding", "gzip")], body: [0x1F, 0x8B]) }
        }
        await #expect { try await registry.client().blob("app", .sha256(of: [0x1F, 0x8B]), limit: 10) } throws: {
            ($0 as? OCIError)?.code == "registry.unexpected_answer"
        }
    }

    @Test func `tags are listed over pages`() async throws {
        let registry = try FakeRegistry {
            $0.script = { request, number in
                .init(
                    headers: number == 1 ? [("Link", #"</v2/app/tags/list?last=a>; rel="next""#)] : [],
                    body: Array(#"{"name":"app","tags":["\#(number == 1 ? "a" : "b")"]}"#.utf8))
            }
        }
        #expect(try await registry.client().tags("app") == ["a", "b"])
        registry.change { $0.script = { _, _ in .init(body: Array(#"{"name":"app","tags":null}"#.utf8)) } }
        #expect(try await registry.client().tags("app").isEmpty)
        registry.change { $0.script = { _, _ in .init(body: Array(#"{"tags":["../x"]}"#.utf8)) } }
        await #expect(throws: OCIError.self) { try await registry.client().tags("app") }
    }
}
