import FoundationEssentials
import StrictJSON
import Support
import Testing

/// Runs of the program as somebody sees them at a terminal, compared with a file of `Transcripts`. What differs from run to
/// run stands there as a placeholder.
///
/// `COUNTERSIGN_TRANSCRIPTS=DIR` writes them to that folder instead: how they are renewed.
struct Transcript {
    /// What a run printed, and how it ended.
    struct Run {
        let exit: Int
        let output: String
        let errors: String

        /// Paths to all that the one JSON document on standard output has, `[]` for what is in a list.
        var members: Set<String> {
            get throws { Self.members(of: try JSONValue(parsing: Array(output.utf8)), at: "") }
        }

        private static func members(of value: JSONValue, at path: String) -> Set<String> {
            switch value {
            case .object(let object):
                object.members.reduce(into: []) { all, member in
                    all.formUnion(members(of: member.value, at: (path.isEmpty ? "" : path + ".") + member.name))
                }
            case .array(let values): values.reduce(into: []) { $0.formUnion(members(of: $1, at: path + "[]")) }
            default: [path]
            }
        }
    }

    private static let folder = packageRoot + "/Tests/CountersignTests/Commands/Transcripts"
    /// The home of who runs it.
    private let home: TemporaryDirectory
    /// What the commands are tried on; nil for those that need nothing.
    private let stage: CommandStage?
    /// What `{name}` stands for in commands, and what is written so in the transcript.
    private let values: [(name: String, value: String)]
    private var lines: [String] = []

    init(_ values: [String: String] = [:], on stage: CommandStage? = nil) throws {
        home = try TemporaryDirectory()
        self.stage = stage
        self.values = values.merging(["home": home.path]) { $1 }.map { (name: $0.key, value: $0.value) }
            .sorted { $0.value.utf8.count > $1.value.utf8.count }
    }

    /// Runs the program, writes down what it did, and expects that end.
    /// - Parameter forms: with `json` it is run once more for the document, whose members are written down in place of it.
    @discardableResult
    mutating func type(
        _ words: [String], exit: Int, _ forms: [Form] = [.text], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Run {
        var first: Run?
        for form in forms {
            let typed = words + (form == .json ? ["--output", "json"] : [])
            let run = try await run(typed)
            first = first ?? run
            lines.append("$ countersign " + typed.joined(separator: " "))
            switch form {
            case .text: lines += printed(run.output)
            case .json: lines += try run.members.sorted()
            }
            lines += printed(run.errors).map { "! " + $0 }
            lines += ["exit \(run.exit)", ""]
            #expect(run.exit == exit, "\(typed): \(run)", sourceLocation: sourceLocation)
        }
        return try #require(first)
    }

    enum Form { case text, json }

    private func run(_ words: [String]) async throws -> Run {
        let program = try #require(CountersignProgram.path)
        let arguments = words.map { word in
            values.reduce(word) { $0.replacing("{\($1.name)}", with: $1.value) }
        }
        let unset = ["API", "CONFIG", "TOKEN", "TOKEN_FILE"].flatMap { ["-u", "COUNTERSIGN_\($0)"] }
        let places = ["-u", "XDG_CACHE_HOME", "-u", "XDG_STATE_HOME", "HOME=\(home.path)"]
        let exit = try await ChildProcess(
            ["/bin/sh", "-c", #""$@" >"$0/output" 2>"$0/errors"; echo $?"#, home.path, "/usr/bin/env"] + unset + places
                + [program] + arguments
        ).finish()
        func read(_ name: String) throws -> String {
            try String(contentsOfFile: "\(home.path)/\(name)", encoding: .utf8)
        }
        return Run(
            exit: try #require(Int(exit.filter(\.isNumber))), output: try read("output"), errors: try read("errors"))
    }

    /// Compares what was written down with the file of that name.
    func compare(with name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let text = lines.joined(separator: "\n")
        if let folder = ProcessInfo.processInfo.environment["COUNTERSIGN_TRANSCRIPTS"] {
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name).txt"))
            return
        }
        let kept = try String(contentsOfFile: "\(Self.folder)/\(name).txt", encoding: .utf8)
        let (old, new) = (kept.split(separator: "\n"), text.split(separator: "\n"))
        let first =
            zip(old, new).first { $0 != $1 }.map { "\($0)\nbecame\n\($1)" } ?? "\(old.count) lines, \(new.count) now"
        #expect(kept == text, "\(name): \(first)", sourceLocation: sourceLocation)
    }

    // MARK: Placeholders

    private func printed(_ text: String) -> [String] {
        guard !text.isEmpty else { return [] }
        // a short one may stand anywhere by chance
        let known = values.filter { $0.value.utf8.count > 8 }
            .reduce(text) { $0.replacing($1.value, with: "{\($1.name)}") }
        let general =
            known.replacing(/[0-9a-f]{32,}/, with: "{hex}")
            .replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/, with: "{time}")
            .replacing(/127\.0\.0\.1:\d+/, with: "{host}")
            .replacing(/: (Failed|Could)[^\[\n]* server/, with: ": {why}")
        return general.split(separator: "\n", omittingEmptySubsequences: false).dropLast(text.hasSuffix("\n") ? 1 : 0)
            .map { line in
                line.split(separator: " ", omittingEmptySubsequences: false).map { Self.counted($0) }
                    .joined(separator: " ")
            }
    }

    /// A word that is a number, whatever stands around it.
    private static func counted(_ word: Substring) -> String {
        let head = word.prefix { "(".contains($0) }
        let number = word.dropFirst(head.count).prefix { $0.isASCII && $0.isNumber }
        let tail = word.dropFirst(head.count + number.count)
        guard !number.isEmpty, tail.allSatisfy({ ").,;:\"".contains($0) }) else { return String(word) }
        return "\(head){n}\(tail)"
    }
}
