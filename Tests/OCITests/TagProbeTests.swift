import Curl
import OCI
import Testing

@Suite struct TagProbeTests {
    private static let nothing = Digest.sha256(of: [7])

    @Test func `a tag is put and replaced, and what stays is told`() async throws {
        let registry = try FakeRegistry()
        let probe = try await registry.client().probeTagReplacement("team/app", subject: Self.nothing)
        #expect(try probe.isReplaced.get())
        #expect(probe.tag == "sha256-\(Self.nothing.hex)" && SignatureTag.matches(probe.tag))
        let stored = registry.change { $0.manifests }
        #expect(probe.manifests.count == 2 && probe.manifests.allSatisfy { stored["\($0)"] != nil })
        #expect(Set(stored.keys) == Set(probe.manifests.map(\.description) + [probe.tag]))
        #expect(!registry.requests.contains { $0.method == "DELETE" })
    }

    @Test(arguments: [400, 403, 405, 409, 412])
    func `a registry with immutable tags refuses the second write`(status: Int) async throws {
        let registry = try FakeRegistry { state in
            state.script = { request, number in
                request.method == "PUT" && request.path.contains("/manifests/sha256-") && number == 2
                    ? .init(status: status) : nil
            }
        }
        let probe = try await registry.client().probeTagReplacement("team/app", subject: Self.nothing)
        #expect(probe.manifests.count == 1)
        #expect { try probe.isReplaced.get() } throws: { ($0 as? OCIError)?.status == status }
    }

    @Test func `a registry that takes the second and serves the first has not replaced it`() async throws {
        let registry = try FakeRegistry { state in
            state.script = { request, number in
                request.method == "PUT" && request.path.contains("/manifests/sha256-") && number == 2
                    ? .init(status: 201) : nil
            }
        }
        let probe = try await registry.client().probeTagReplacement("team/app", subject: Self.nothing)
        #expect(try !probe.isReplaced.get() && probe.manifests.count == 2)
    }

    @Test func `without the right to push nothing is left`() async throws {
        let registry = try FakeRegistry { state in
            state.script = { request, _ in ["GET", "HEAD"].contains(request.method) ? nil : .init(status: 403) }
        }
        await #expect {
            _ = try await registry.client().probeTagReplacement("team/app", subject: Self.nothing)
        } throws: { ($0 as? OCIError)?.code == "registry.forbidden" }
        #expect(registry.change { $0.manifests.isEmpty && $0.blobs.isEmpty })
    }
}
