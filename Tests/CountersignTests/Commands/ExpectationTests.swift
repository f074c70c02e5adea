import Support
import Testing

/// What somebody demands of a signature on the command line is checked, or the command is not run.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct ExpectationTests {
    private func run(_ words: [String]) async throws -> [String] {
        let program = try #require(CountersignProgram.path)
        return try await ChildProcess(["/bin/sh", "-c", "\"$@\" 2>&1; echo \"exit $?\"", "sh", program] + words)
            .finish()
            .split(separator: "\n").map(String.init)
    }

    @Test(arguments: [
        ["-a", "env=prod", "-a", "env=dev"],
        ["--certificate-extension", "build_trigger=push", "--certificate-extension", "build_trigger=schedule"],
        [
            "--certificate-github-workflow-ref", "refs/tags/v1", "--certificate-extension",
            "github_workflow_ref=refs/heads/main",
        ],
    ])
    func `of two expectations that contradict none is dropped`(words: [String]) async throws {
        let lines = try await run(
            ["verify"] + words + [
                "--trusted-root", "root.json", "--certificate-identity", "a@example.org", "--certificate-oidc-issuer",
                "https://issuer.example",
                "registry.example/team/app:1",
            ])
        #expect(lines.last == "exit 2", "\(lines)")
        #expect(lines.contains { $0.lowercased().contains("two values") }, "\(lines)")
    }

    @Test func `a key and an identity are not both expected of a bundle`() async throws {
        let lines = try await run([
            "conformance", "verify-bundle", "--bundle", "b", "--key", "k", "--certificate-identity", "a", "sha256:1",
        ])
        #expect(lines.last == "exit 2", "\(lines)")
        #expect(lines.contains { $0.contains("Give --key, or --certificate-identity") }, "\(lines)")
    }
}
