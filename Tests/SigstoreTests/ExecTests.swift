import FoundationEssentials
import Glibc
import Support
import Testing

@testable import Sigstore

@Suite struct ExecTokenSourceTests {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func program(_ script: String) throws -> ExecTokenSource.Program {
        // not started itself: a fork elsewhere in this process may still hold it open for writing
        let path = try folder.write(script + "\n", to: "token.sh")
        return ExecTokenSource.Program(command: ["/bin/sh", path, "--audience", "{audience}"])
    }

    private func token(_ program: ExecTokenSource.Program) async throws -> IdentityToken {
        try await ExecTokenSource(program, audience: "sigstore").token()
    }

    private func failure(_ program: ExecTokenSource.Program) async throws -> String {
        let error = try #require(await #expect(throws: SigstoreError.self) { try await token(program) })
        #expect(error.code == "identity.program")
        return error.observed
    }

    @Test(arguments: [
        TokenServiceKind.given, #"{"kind":"ExecCredential","status":{"token":"\#(TokenServiceKind.given)"}}"#,
        #"{"version":1,"success":true,"id_token":"\#(TokenServiceKind.given)"}"#,
        #"{"token":"\#(TokenServiceKind.given)"}"#,
    ])
    func `a program's token is read, alone or in JSON`(output: String) async throws {
        let program = try program("cat <<'END'\n\(output)\nEND")
        #expect(try await token(program).withBearer { $0 } == TokenServiceKind.given)
    }

    @Test func `it gets the audience, a small environment and no input`() async throws {
        var program = try program(
            """
            test "$1 $2" = "--audience sigstore" || { echo "arguments $*" >&2; exit 3; }
            test "$COUNTERSIGN_AUDIENCE" = sigstore || { echo "audience" >&2; exit 4; }
            test "$(cat)" = "" || { echo "input" >&2; exit 5; }
            test -z "$UNNAMED_FOR_PROGRAM" || { echo "environment" >&2; exit 6; }
            test "$NAMED_FOR_PROGRAM" = yes || { echo "named" >&2; exit 7; }
            ls /proc/self/fd | tr '\\n' ' ' | grep -q '^0 1 2 3 $' || { echo "descriptors" >&2; exit 8; }
            echo '\(TokenServiceKind.given)'
            """)
        program.environment = ["NAMED_FOR_PROGRAM"]
        let environment = EnvironmentReader([
            "PATH": "/usr/bin:/bin", "NAMED_FOR_PROGRAM": "yes", "UNNAMED_FOR_PROGRAM": "no",
        ])
        let source = ExecTokenSource(program, audience: "sigstore", environment: environment)
        #expect(try await source.token().claims.subject == "signer")
    }

    @Test func `what another thread opens meanwhile is not handed on`() async throws {
        let source = try program(
            """
            ls /proc/self/fd | tr '\\n' ' ' | grep -q '^0 1 2 3 $' || { ls /proc/self/fd >&2; exit 8; }
            echo '\(TokenServiceKind.given)'
            """)
        let opening = Task.detached {
            // without O_CLOEXEC, as a library may open them
            while !Task.isCancelled {
                let opened = (0..<50).map { _ in open("/dev/null", O_RDONLY) }
                opened.forEach { _ = close($0) }
                await Task.yield()
            }
        }
        defer { opening.cancel() }
        for _ in 0..<40 { _ = try await token(source) }
    }

    @Test func `its failure is told in its words, without tokens`() async throws {
        let text = try await failure(try program("echo \"denied for \(TokenServiceKind.given)\" >&2; exit 41"))
        #expect(text.contains("status 41") && text.contains("denied for «redacted»"))
        #expect(!text.contains(TokenServiceKind.given.suffix(20)))
        #expect(try await failure(try program("kill -9 $$")).contains("signal 9"))
        #expect(try await failure(try program("yes complaint | head -c 100000 >&2; exit 1")).utf8.count < 1024)
    }

    @Test(arguments: [
        "", "true", "printf '\\n \\n'", "echo no.token", "echo '{\"status\":{}}'", "echo '{'", "printf '\\377'",
    ])
    func `output that is no token is refused`(script: String) async throws {
        let text = try await failure(try program(script))
        #expect(!text.contains("no.token"))
    }

    @Test func `a program that is not there is named`() async throws {
        #expect(try await failure(.init(command: ["/nonexistent/program"])).contains("cannot be started"))
        #expect(try await failure(.init(command: [])).contains("cannot be started"))
        #expect(try await failure(.init(command: ["a\0b"])).contains("cannot be started"))
    }

    @Test func `a slow program is killed with what it started`() async throws {
        var program = try program("echo $$ > '\(folder.path)/pid'; sleep 1000 & sleep 1000")
        program.timeout = .milliseconds(300)
        #expect(try await failure(program).contains("was killed"))
        let pid = Int32(try String(contentsOfFile: folder.path + "/pid", encoding: .utf8).filter(\.isNumber)) ?? 0
        // the whole group is gone, children included
        try await eventually("the group is gone") { kill(-pid, 0) != 0 }
    }

    @Test func `a program that prints without end is killed`() async throws {
        #expect(try await failure(try program("yes")).contains("more than 65536 bytes"))
    }

    @Test func `a grandchild that keeps the output open does not hold us up`() async throws {
        let program = try program("sleep 1000 & echo '\(TokenServiceKind.given)'")
        #expect(try await token(program).claims.subject == "signer")
    }

    @Test func `a cancelled request kills the program`() async throws {
        let started = folder.path + "/started"
        var program = try program("echo $$ > '\(started)'; sleep 1000")
        program.timeout = .seconds(600)
        let task = Task { [program] in try await token(program) }
        try await eventually("it runs") { FileManager.default.contents(atPath: started)?.last == 0x0A }
        task.cancel()
        let error = await #expect(throws: SigstoreError.self) { try await task.value }
        #expect(error?.code == "identity.cancelled")
    }
}
