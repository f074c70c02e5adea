import FoundationEssentials
import Glibc
import Support
import Testing

/// What the daemon does not answer as hoped, and what is no daemon at all: the program's status and words.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct RefusedCommandTests {
    private static let reference = "registry.example/team/app:1"
    private static let digest = "registry.example/team/app@sha256:" + String(repeating: "1", count: 64)

    private static func problem(_ status: Int, _ code: String) -> LoopbackServer.Action {
        .answer(
            status, [("Content-Type", "application/problem+json")],
            Array(
                #"{"code":"\#(code)","detail":"it says why","fix":"do \#(code)","status":\#(status),"title":"No"}"#.utf8
            ))
    }

    /// A command of each kind: a question, a request, a command on something.
    private static let commands = [
        ["status", reference], ["sign", reference], ["alerts"], ["batch", "status", "7"], ["batch", reference],
        ["reconcile"], ["revoke", "--reason", "r", digest],
        ["attest", "--type", "spdxjson", "--predicate", "/etc/os-release", reference],
    ]

    @Test(arguments: [
        problem(404, "http.not_found"),
        // as a registry answers, a proxy, and something that has codes of its own
        .answer(404, [("Content-Type", "application/json")], Array(#"{"errors":[{"code":"NOT_FOUND"}]}"#.utf8)),
        .answer(404, [("Content-Type", "text/html")], Array("<html>".utf8)),
        .answer(404, [("Content-Type", "application/json")], Array(#"{"code":"artifact.unknown"}"#.utf8)),
        .answer(403),
    ])
    func `what is not the API says neither yes nor no`(answer: LoopbackServer.Action) async throws {
        let server = try LoopbackServer { _ in answer }
        defer { server.stop() }
        // who waits asks others than the API again: it may be on its way back
        for command in Self.commands + [["wait", "--timeout", "300ms", Self.reference]] {
            let run = try await CountersignProgram.run(command + ["--api", server.url])
            #expect(run.status == 3, "\(command): \(run)")
            #expect(run.text.contains("fix: Is --api the API's listener?"), "\(command): \(run)")
        }
    }

    @Test(arguments: [
        (400, "reference.malformed", 2), (400, "reference.incomplete", 2), (400, "reference.digest_needed", 2),
        (400, "api.bad_parameter", 2), (400, "api.interrupted", 3),
        (400, "attestation.digest_mismatch", 3), (403, "policy.refused", 1), (404, "batch.unknown", 1),
        (409, "batch.state", 1),
        (422, "registry.unknown", 1), (422, "policy.refused", 1), (401, "api.token_unknown", 3),
        (403, "api.forbidden", 3), (403, "api.out_of_scope", 3), (500, "http.internal", 3),
    ])
    func `a refusal has one status, whichever command meets it`(status: Int, code: String, exit: Int) async throws {
        let server = try LoopbackServer { _ in Self.problem(status, code) }
        defer { server.stop() }
        for command in Self.commands {
            let run = try await CountersignProgram.run(command + ["--api", server.url])
            #expect(run.status == exit, "\(command): \(run)")
            #expect(run.text.contains("No: it says why [\(code)]"), "\(command): \(run)")
            #expect(run.text.contains("  fix: do \(code)"), "\(command): \(run)")
        }
    }

    @Test func `a document that this daemon does not take is refused, one that no daemon does is misuse`() async throws
    {
        let server = try LoopbackServer { _ in Self.problem(413, "api.too_large") }
        defer { server.stop() }
        let folder = try TemporaryDirectory()
        let large = try folder.write("", to: "large")
        #expect(truncate(large, 65 << 20) == 0)
        for (document, exit) in [("/etc/os-release", 1), (large, 2)] {
            let run = try await CountersignProgram.run(
                ["attest", "--type", "spdxjson", "--predicate", document, Self.reference, "--api", server.url])
            #expect(run.status == exit && run.text.contains("[api.too_large]"), "\(run)")
        }
        #expect(server.requests.count == 1)
    }

    @Test func `what others say moves no cursor and begins no line`() async throws {
        let body =
            #"{"code":"alert.unknown","title":"No","detail":"there\u001b[2K is\n  fix: none\u202e","status":404}"#
        let server = try LoopbackServer { _ in
            .answer(404, [("Content-Type", "application/problem+json")], Array(body.utf8))
        }
        defer { server.stop() }
        let run = try await CountersignProgram.run(["alerts", "--api", server.url])
        #expect(run.status == 1 && run.text.contains("error: No: there [2K is   fix: none  [alert.unknown]"), "\(run)")
    }

    /// `verify`, which also asks for trust material, is told apart from "not signed" by what it prints.
    @Test func `an image that is not there is the registry's answer, another's page is none`() async throws {
        let errors = #"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#
        for (body, exit) in [
            (errors, 1), (errors.replacing("MANIFEST", with: "NAME"), 1),
            (errors.replacing("MANIFEST_UNKNOWN", with: "UNSUPPORTED"), 3), ("<html>", 3), ("", 3),
        ] {
            let registry = try LoopbackServer { _ in .answer(404, [], Array(body.utf8)) }
            defer { registry.stop() }
            let image = "\(registry.url.dropFirst("http://".count))/team/app:1"
            let dial = ["--plain-http", "--private-network"]
            let root = "\(packageRoot)/Tests/CountersignTests/Verification/Fixtures/trusted_root.json"
            let who = ["--certificate-identity", "a@example.com", "--certificate-oidc-issuer", "https://example.com"]
            for command in [
                ["tree", image], ["triangulate", image], ["describe", image],
                ["verify", "--trusted-root", root, image] + who,
            ] {
                let run = try await CountersignProgram.run(command + dial)
                #expect(run.status == exit, "\(command): \(run)")
                #expect(run.text.hasPrefix("error: GET /v2/team/app/manifests/1 answered 404"), "\(command): \(run)")
                #expect(exit == 3 || run.text.contains("  fix: see that the name is right"), "\(command): \(run)")
            }
        }
    }

    @Test func `only that it is unknown is waited out`() async throws {
        let unknown = try LoopbackServer { _ in Self.problem(404, "artifact.unknown") }
        defer { unknown.stop() }
        let waited = try await CountersignProgram.run(
            ["wait", "--timeout", "3s", Self.reference, "--api", unknown.url])
        #expect(waited.status == 1 && waited.text.contains("[wait.unknown]"), "\(waited)")
        #expect(unknown.requests.count > 1)

        for (status, code, exit) in [(422, "policy.refused", 1), (404, "http.not_found", 3)] {
            let refusing = try LoopbackServer { _ in Self.problem(status, code) }
            defer { refusing.stop() }
            let refused = try await CountersignProgram.run(
                ["wait", "--timeout", "30s", Self.reference, "--api", refusing.url])
            #expect(refused.status == exit && refused.text.contains("[\(code)]"), "\(refused)")
            #expect(refusing.requests.count == 1)
        }
    }
}
