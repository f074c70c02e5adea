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
                    problems: problems.map { .init(key: $0.path, problem: $0.message) },
                    warnings: read.omissions().map { .init(key: $0.path, problem: $0.message) })
            } catch {
                answer = Answer(
                    ok: false, policyVersion: nil,
                    problems: error.problems.map { .init(key: $0.path, problem: $0.message) })
            }
            switch output.output {
            case .json: try Console.json(answer)
            case .text:
                for problem in answer.problems {
                    print("\(problem.key.isEmpty ? path : problem.key): \(problem.problem)")
                }
                for warning in answer.warnings { print("warn  \(warning.key): \(warning.problem)") }
                if answer.ok { print("\(path): no problem; policy version \(answer.policyVersion ?? "")") }
            }
            if !answer.ok { throw ExitCode(1) }
        }
    }
}
