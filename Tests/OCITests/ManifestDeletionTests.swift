import OCI
import Testing

@Suite struct ManifestDeletionTests {
    private static let digest = Digest.sha256(of: [1])

    @Test func `it asks for the right to delete and for nothing else, with its own credential`() async throws {
        let registry = try FakeRegistry { state in
            state.authentication = .bearer()
            state.script = { request, _ in
                request.method == "DELETE" && request.headers["authorization"] != nil ? .init(status: 202) : nil
            }
        }
        let remover = try registry.deletion(credentials: .basic(username: "remover", password: .init("s3cret")))
        #expect(try await remover.delete("team/app", Self.digest))
        let token = try #require(registry.requests.first { $0.path == "/token" })
        #expect(token.target.contains("scope=repository%3Ateam%2Fapp%3Adelete"))
        #expect(token.headers["authorization"] == "Basic cmVtb3ZlcjpzM2NyZXQ=")
        #expect(registry.requests.filter { $0.path != "/token" }.allSatisfy { $0.method == "DELETE" })
        #expect(registry.requests.last?.path == "/v2/team/app/manifests/\(Self.digest)")
    }

    @Test(arguments: [
        (405, "UNSUPPORTED", "registry.deletion_unsupported"), (400, "UNSUPPORTED", "registry.deletion_unsupported"),
        (405, "", "registry.deletion_unsupported"), (501, "", "registry.deletion_unsupported"),
        (401, "UNAUTHORIZED", "registry.deletion_refused"), (403, "DENIED", "registry.deletion_refused"),
        (429, "TOOMANYREQUESTS", "registry.throttled"), (500, "UNKNOWN", "registry.unavailable"),
        (409, "", "registry.refused"),
    ])
    func `what a registry answers is told as what it is`(status: Int, word: String, code: String) async throws {
        let registry = try FakeRegistry { state in
            state.script = { _, _ in
                .init(status: status, body: Array((word.isEmpty ? "" : #"{"errors":[{"code":"\#(word)"}]}"#).utf8))
            }
        }
        await #expect {
            try await registry.deletion().delete("app", Self.digest)
        } throws: {
            ($0 as? OCIError)?.code == code
        }
    }

    @Test func `what is gone is gone, and a proxy's page says nothing`() async throws {
        let registry = try FakeRegistry { state in
            state.script = { _, _ in .init(status: 404, body: Array(#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.utf8))
            }
        }
        #expect(try await registry.deletion().delete("app", Self.digest) == false)
        registry.change { state in
            state.script = { _, _ in .init(status: 404, body: Array("<h1>not found</h1>".utf8)) }
        }
        await #expect {
            try await registry.deletion().delete("app", Self.digest)
        } throws: {
            ($0 as? OCIError)?.code == "registry.not_found"
        }
    }

    @Test(.enabled(if: RealRegistry.program != nil, "docker-registry is not installed"))
    func `a real registry deletes a manifest once`() async throws {
        let registry = try await RealRegistry()
        let client = try registry.client()
        let image = try await RealRegistryTests.push("a", with: client, to: "team/app")
        #expect(try await registry.deletion().delete("team/app", image.descriptor.digest))
        await #expect {
            try await client.manifest("team/app", image.descriptor.digest)
        } throws: {
            ($0 as? OCIError)?.code == "registry.not_found"
        }
        #expect(try await registry.deletion().delete("team/app", image.descriptor.digest) == false)
    }

    @Test(.enabled(if: RealRegistry.program != nil, "docker-registry is not installed"))
    func `a real registry that does not delete says so, and keeps it`() async throws {
        let registry = try await RealRegistry(deletes: false)
        let client = try registry.client()
        let image = try await RealRegistryTests.push("a", with: client, to: "team/app")
        await #expect {
            try await registry.deletion().delete("team/app", image.descriptor.digest)
        } throws: {
            ($0 as? OCIError)?.code == "registry.deletion_unsupported"
        }
        #expect(try await client.manifest("team/app", image.descriptor.digest).descriptor == image.descriptor)
    }
}
