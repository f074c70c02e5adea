import Support
import Testing

/// Files that are pipes, such as `<(vault read …)`: how pipelines hand secrets over.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct PipedFileTests {
    private static let end = #"; status=$?; echo; echo "$status""#
    private static let fixtures = "\(packageRoot)/Tests/SigstoreTests/Fixtures/recorded/ours"

    private static let batch = """
        {"id":7,"action":"sign","state":"running","requested_by":"x","members":1,
        "created_at":"2026-01-01T00:00:00.000Z"}
        """

    @Test func `a token and a list of references come from pipes`() async throws {
        let server = try LoopbackServer { _ in .answer(202, [], Array(Self.batch.utf8)) }
        defer { server.stop() }
        let command =
            #""$0" batch --no-wait --api "$1" --token-file <(echo cs_operator_1) --file <(echo r.example/a:1)"#
        let run = try await CountersignProgram.run(script: command + Self.end, [server.url])
        #expect(run.status == 0, "\(run)")
        let request = try #require(server.requests.first)
        #expect(request.header("Authorization") == "Bearer cs_operator_1")
        #expect(String(decoding: request.body, as: UTF8.self) == #"{"references":["r.example/a:1"]}"#)
    }

    @Test func `an SBOM comes from a pipe, of which no more is read than may be attached`() async throws {
        // whoever writes to a pipe that is read no more may say so, after the status
        let command = #""$0" attach sbom r.invalid/a:1 --sbom <(head -c "$1" /dev/zero 2>/dev/null)"#
        let large = try await CountersignProgram.run(script: command + Self.end, ["\(200 << 20)"])
        #expect(large.status == 2 && large.text.contains("more than 67108864 bytes [file.too_large]"), "\(large)")
        let empty = try await CountersignProgram.run(script: command + Self.end, ["0"])
        #expect(empty.status == 2 && empty.text.contains("is empty [file.empty]"), "\(empty)")
    }

    @Test func `a token file without a token asks nobody`() async throws {
        let server = try LoopbackServer { _ in .answer(202, [], Array(Self.batch.utf8)) }
        defer { server.stop() }
        let command = #""$0" batch --no-wait --api "$1" --token-file <(true) r.example/a:1"#
        let run = try await CountersignProgram.run(script: command + Self.end, [server.url])
        #expect(run.status == 2 && run.text.contains("is empty [cli.token_file]"), "\(run)")
        #expect(server.requests.isEmpty)
    }

    @Test(arguments: [
        #""$0" trust show --trusted-root <(cat "$1/trusted_root.json")"#,
        #""$0" describe --bundle <(cat "$1/bundle.sigstore.json")"#,
    ])
    func `documents come from pipes`(command: String) async throws {
        let run = try await CountersignProgram.run(script: command + Self.end, [Self.fixtures])
        #expect(run.status != 2 && !run.text.contains("error:"), "\(run)")
    }
}
