import FoundationEssentials
import Support
import Testing

/// Ours, beside the program of these tests, where the same build puts it.
enum CountersignProgram {
    static let path: String? = {
        guard let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else { return nil }
        let path = own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/countersign"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    /// What a run printed, on both streams, and its status.
    static func run(_ arguments: [String]) async throws -> (text: String, status: Int) {
        try await run(script: #""$0" "$@"; status=$?; echo; echo "$status""#, arguments)
    }

    /// The same of a program for bash, in which `$0` is ours, and which prints a line with the status last.
    static func run(script: String, _ arguments: [String] = []) async throws -> (text: String, status: Int) {
        let program = try #require(path)
        let whole = try await ChildProcess(["/bin/bash", "-c", script, program] + arguments).finish()
        let lines = whole.split(separator: "\n").map(String.init)
        return (lines.dropLast().joined(separator: "\n"), try #require(lines.last.flatMap { Int($0) }))
    }
}
