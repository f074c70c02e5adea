import ArgumentParser
import Countersign

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Look at a configuration.", subcommands: [Check.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Read a configuration and list every problem; start nothing.",
            discussion:
                "Exit status 0 if there is none, 1 if there are. Warnings, of what a daemon is useless without, are none."
        )

        @OptionGroup var configuration: ConfigurationOption
        @OptionGroup var output: OutputOption

        private struct Answer: Encodable {
            struct Problem: Encodable {
                let key: String
                let problem: String
                /// Of the file, where it is known.
                let line: Int?

                init(_ problem: ConfigurationProblem) {
                    (key, self.problem, line) = (problem.path, problem.message, problem.line)
                }

                func text(in path: String) -> String {
                    "\(key.isEmpty ? path : key): \(problem)\(line.map { " (line \($0))" } ?? "")"
                }
            }
            let ok: Bool
            let policyVersion: String?
            let problems: [Problem]
            var warnings: [Problem] = []
        }

        func run() async throws {
            let path = try configuration.path
            let answer: Answer
            do {
                let read = try Configuration.read(path: path)
                let problems = read.keyProblems
                answer = Answer(
                    ok: problems.isEmpty, policyVersion: problems.isEmpty ? SigningPolicy(read).version : nil,
                    problems: problems.map { .init($0) }, warnings: read.omissions().map { .init($0) })
            } catch {
                answer = Answer(ok: false, policyVersion: nil, problems: error.problems.map { .init($0) })
            }
            switch output.output {
            case .json: try Console.json(answer)
            case .text:
                for problem in answer.problems { print(problem.text(in: path)) }
                for warning in answer.warnings { print("warn  \(warning.text(in: path))") }
                if answer.ok { print("\(path): no problem; policy version \(answer.policyVersion ?? "")") }
            }
            if !answer.ok { throw ExitCode(1) }
        }
    }
}
