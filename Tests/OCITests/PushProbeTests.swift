import Curl
import OCI
import Testing

@Suite struct PushProbeTests {
    @Test func `a session is opened and cancelled, and nothing else is touched`() async throws {
        let registry = try FakeRegistry { state in
            state.script = { request, _ in request.method == "DELETE" ? .init(status: 204) : nil }
        }
        #expect(try await registry.client().probePush("team/app") == .cancelled)
        #expect(registry.requests.map(\.method) == ["POST", "DELETE"])
        #expect(registry.requests.last?.path.contains("/v2/team/app/blobs/uploads/session") == true)
    }

    @Test(arguments: [401, 403, 404, 405, 500])
    func `a registry that does not cancel has still shown that we may push`(status: Int) async throws {
        let registry = try FakeRegistry { state in
            state.script = { request, _ in request.method == "DELETE" ? .init(status: status) : nil }
        }
        #expect(try await registry.client().probePush("team/app") == .left)
    }

    @Test(arguments: [(403, "registry.forbidden"), (404, "registry.not_found"), (500, "registry.unavailable")])
    func `a refused session is told as what it is`(status: Int, code: String) async throws {
        let registry = try FakeRegistry { state in state.script = { _, _ in .init(status: status) } }
        await #expect { try await registry.client().probePush("team/app") } throws: { ($0 as? OCIError)?.code == code }
        #expect(registry.requests.allSatisfy { $0.method == "POST" })
    }
}
