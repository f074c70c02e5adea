import Support
import Testing

/// How commands put what they were told, and what they were told wrongly.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct CommandWordsTests {
    private func answering(_ text: String) throws -> LoopbackServer {
        try LoopbackServer { _ in .answer(200, [("Content-Type", "application/json")], Array(text.utf8)) }
    }

    @Test func `what was not revoked is said so`() async throws {
        let server = try answering(
            #"{"items":[{"reference":"a","state":"not_revoked","changed":false},{"reference":"b","state":"released","changed":true}]}"#
        )
        defer { server.stop() }
        let run = try await CountersignProgram.run(["release", "--reason", "r", "a", "b", "--api", server.url])
        #expect(run.text == "was not revoked\ta\nreleased\tb" && run.status == 1, "\(run)")
    }

    @Test func `a batch of which nothing is there says that nothing matched`() async throws {
        let batch = #"""
            {"id":4,"action":"sign","state":"done","requested_by":"x","members":0,"created_at":"2026-01-01T00:00:00.000Z",
            "started_at":"2026-01-01T00:00:00.000Z","ended_at":"2026-01-01T00:00:00.000Z","progress":{"counts":{},"ended":0,"targets":0}}
            """#
        let server = try answering(#"{"batch":\#(batch),"items":[]}"#)
        defer { server.stop() }
        let run = try await CountersignProgram.run(["batch", "status", "4", "--api", server.url])
        #expect(run.text == "batch 4 done: nothing matched" && run.status == 0, "\(run)")
    }

    @Test(arguments: [
        (["status", "r.example/a:1"], "status"), (["batch", "--api", "http://127.0.0.1:1"], "batch sign"),
        (["token", "list"], "token list"),
    ])
    func `misuse is answered with the usage of its own command`(words: [String], command: String) async throws {
        let script = #"unset COUNTERSIGN_API COUNTERSIGN_CONFIG; "$0" "$@"; status=$?; echo; echo "$status""#
        let run = try await CountersignProgram.run(script: script, words)
        #expect(run.status == 2 && run.text.hasPrefix("Error: Say "), "\(run)")
        #expect(run.text.contains("\nUsage: countersign \(command) ["), "\(run)")
    }
}
