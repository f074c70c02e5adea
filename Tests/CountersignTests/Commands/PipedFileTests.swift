import Support
import Testing

/// Files that are pipes, such as `<(vault read …)`: how pipelines hand secrets over.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct PipedFileTests {
    private static let end = #"; status=$?; echo; echo "$status""#
    private static let fixtures = "\(packageRoot)/Tests/SigstoreTests/Fixtures/recorded/ours"

    private static let batch = """
        {"id":7,"action":"sign","state":"running","requested_by":"x","members":1,
        "created_at":"2026-01-01T00:00:00.000Z","started_at":"2026-01-01T00:00:00.000Z"}
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

    @Test func `a document comes from a pipe or from standard input, of which no more is read than may be sent`()
        async throws
    {
        let server = try LoopbackServer { _ in .answer(403) }
        defer { server.stop() }
        func run(_ source: String, bytes: Int) async throws -> (text: String, status: Int) {
            try await CountersignProgram.run(script: source + Self.end, ["\(bytes)", server.url])
        }
        let attest = #""$0" attest --type custom --api "$2" r.example/a:1 --predicate "#
        for source in [
            attest + #"<(head -c "$1" /dev/zero 2>/dev/null)"#,
            #"head -c "$1" /dev/zero 2>/dev/null | "# + attest + "-",
        ] {
            let large = try await run(source, bytes: 65 << 20)
            #expect(large.status == 2 && large.text.contains("is larger than 64 MiB [api.too_large]"), "\(large)")
            let empty = try await run(source, bytes: 0)
            #expect(empty.status == 2 && empty.text.contains("is empty [file.empty]"), "\(empty)")
            #expect(try await run(source, bytes: 3).status == 3)
        }
        #expect(server.requests.map(\.body) == [[0, 0, 0], [0, 0, 0]])
        let missing = try await run(attest + "/nowhere", bytes: 0)
        #expect(missing.status == 2 && missing.text.contains("it is not there, or not readable"), "\(missing)")
    }

    @Test func `a list of references comes from standard input`() async throws {
        let server = try LoopbackServer { _ in .answer(202, [], Array(Self.batch.utf8)) }
        defer { server.stop() }
        let command =
            #"printf '# two\nr.example/a:1 # one\n\nr.example/a:2' | "$0" batch --no-wait --api "$1" --file -"#
        let run = try await CountersignProgram.run(script: command + Self.end, [server.url])
        #expect(run.status == 0, "\(run)")
        let request = try #require(server.requests.first)
        #expect(
            String(decoding: request.body, as: UTF8.self) == #"{"references":["r.example/a:1","r.example/a:2"]}"#)
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
