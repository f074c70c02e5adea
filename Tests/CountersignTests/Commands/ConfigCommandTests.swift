import StrictJSON
import Support
import Testing

/// `config check`: what is told of a configuration, and where it stands in the file.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct ConfigCommandTests {
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory()
        try folder.write("postgresql://postgres@127.0.0.1:1/none", to: "url")
        try folder.write("secret", to: "secret")
    }

    private func configuration(_ more: String) throws -> String {
        try folder.write(
            minimal.replacing("{env: DATABASE_URL}", with: "{file: url}").replacing(
                "{env: TOKEN}", with: "{file: secret}") + more, to: "countersign.yaml")
    }

    @Test func `a problem is told with the line of the file, as the daemon tells it`() async throws {
        var transcript = try Transcript()
        let path = try configuration("worker: {lease: '10'}\n")
        let check = ["config", "check", "--config", path]
        let told = try await transcript.type(check, exit: 1)
        #expect(told.output.hasPrefix("worker.lease: ") && told.output.hasSuffix(" (line 20)\n"), "\(told)")
        let daemon = try await transcript.type(["serve", "--config", path], exit: 2)
        #expect(daemon.errors.contains(told.output.dropLast()), "\(daemon)")
        let json = try await transcript.type(check + ["--output", "json"], exit: 1)
        guard case .array(let problems)? = try JSONValue(parsing: Array(json.output.utf8))["problems"] else {
            Issue.record("\(json)")
            return
        }
        #expect(problems.map { $0["line"]?.integer } == [20], "\(json)")
    }

    @Test func `who only needs a configuration tells what is wrong with it a line each as well`() async throws {
        let file = try folder.write("environment: nowhere\nlog: {level: loud}\n", to: "wrong.yaml")
        var transcript = try Transcript()
        let told = try await transcript.type(["token", "list", "--config", file], exit: 2).errors
        let lines = told.split(separator: "\n")
        #expect(lines.first?.hasPrefix("error: \(file): ") == true, "\(told)")
        #expect(lines.contains { $0.hasPrefix("log.level: ") }, "\(told)")
    }

    @Test func `a file that is not there, and one that is no text, are told apart`() async throws {
        var transcript = try Transcript()
        let missing = folder.path + "/none.yaml"
        let absent = try await transcript.type(["config", "check", "--config", missing], exit: 1)
        #expect(absent.output == "\(missing): there is no such file\n")
        let unread = try await transcript.type(["config", "check", "--config", folder.path], exit: 1)
        #expect(unread.output == "\(folder.path): the file cannot be read\n")
    }
}
