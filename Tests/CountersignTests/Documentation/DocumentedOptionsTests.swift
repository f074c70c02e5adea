import FoundationEssentials
import StrictJSON
import Support
import Testing

/// Whoever reads docs/cli.md finds every option that `--help` has: there, and the lab's on the page that it names.
@Suite(.enabled(if: CountersignProgram.path != nil, "the program is not built beside the tests"))
struct DocumentedOptionsTests {
    @Test func `every option of every command stands in its page`() async throws {
        let program = try #require(CountersignProgram.path)
        let help = try JSONValue(
            parsing: Array(try await ChildProcess([program, "--experimental-dump-help"]).finish().utf8))
        let options = Self.options(of: try #require(help["command"]))
        #expect(options.count > 250, "the help is read as this test understands it")
        let pages = (commands: try Self.named(in: "docs/cli.md"), lab: try Self.named(in: "docs/lab.md"))
        let missing = options.filter { command, option in
            !pages.commands.contains(option) && !(command == "countersign lab" && pages.lab.contains(option))
        }
        #expect(missing.isEmpty, "in no page: \(missing.map { "\($0.command) \($0.option)" })")
    }

    /// The long options of a command and of those below it, but for what is hidden and what all have.
    private static func options(of command: JSONValue, below parent: String = "") -> [(command: String, option: String)]
    {
        guard command["shouldDisplay"] != .bool(false), let own = command["commandName"]?.text else { return [] }
        let name = parent.isEmpty ? own : "\(parent) \(own)"
        let names = list(command["arguments"]).filter { $0["shouldDisplay"] != .bool(false) }.flatMap {
            list($0["names"])
        }
        let long = names.filter { $0["kind"]?.text == "long" }.compactMap { $0["name"]?.text }
        return long.filter { !["help", "version"].contains($0) }.map { (name, "--\($0)") }
            + list(command["subcommands"]).flatMap { options(of: $0, below: name) }
    }

    private static func list(_ value: JSONValue?) -> [JSONValue] {
        if case .array(let values)? = value { values } else { [] }
    }

    /// The options that a page names. `-name` beside `--other-word` of the same line stands for `--other-name` or
    /// `--other-word-name`.
    private static func named(in page: String) throws -> Set<String> {
        let text = try String(contentsOfFile: "\(packageRoot)/\(page)", encoding: .utf8)
        var named: Set<String> = []
        for line in text.split(separator: "\n") {
            let words = line.split { !$0.isASCII || !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init)
            let whole = words.filter { $0.hasPrefix("--") }
            named.formUnion(whole)
            for ending in words where ending.hasPrefix("-") && !ending.hasPrefix("--") {
                for option in whole {
                    named.insert(option + ending)
                    named.insert(option.split(separator: "-").dropLast().reduce("-") { $0 + "-" + $1 } + ending)
                }
            }
        }
        return named
    }
}
