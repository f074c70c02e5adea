import Curl
import Sigstore

/// `exec: {…}`: a program.
struct ProgramTokens: TokenSourceKind {
    static let key = "exec"
    let program: ExecTokenSource.Program

    static func read(from token: ConfigurationSection, _ reading: ConfigurationReading) -> ProgramTokens? {
        token.sectionIfPresent(key) { section in
            var program = ExecTokenSource.Program(command: section.strings("command"))
            if program.command.first.map({ $0.isEmpty }) ?? true {
                section.complain("command", "is missing: the program and its arguments, as a list; no shell reads it")
            }
            program.environment = section.strings("environment")
            section.read("timeout", into: &program.timeout)
            section.readSize("max_output", into: &program.maxOutputBytes)
            return ProgramTokens(program: program)
        }
    }

    func problems(at path: String) -> [ConfigurationProblem] {
        var problems = Problems()
        problems.positive("\(path).timeout", program.timeout)
        problems.check(
            (1...(1 << 20)).contains(program.maxOutputBytes), "\(path).max_output", "must be between 1 byte and 1MiB")
        return problems.found
    }

    func source(audience: String, http: HTTPClient) -> any IdentityTokenSource {
        ExecTokenSource(program, audience: audience)
    }
}
