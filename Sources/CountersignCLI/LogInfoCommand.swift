import ArgumentParser
import Countersign
import Curl
import FoundationEssentials

struct LogInfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "How large a log is, its root, its trees, and who signs for them.",
        discussion: """
            With trust material the signature of each checkpoint is verified. Exit status 0 if it answers (and they verify),
            1 if one does not.
            """)

    @OptionGroup var source: LogSourceOptions
    @OptionGroup var output: OutputOption

    func validate() throws {
        if source.api != nil { throw ValidationError("The state of a log is asked of the log: --rekor-url URL.") }
    }

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let trust = try await source.trusted()
        let state = try await source.site(trust, http: http).state()
        switch output.output {
        case .json: try Console.json(state)
        case .text: tell(state)
        }
        if state.isJudged, !state.isVerified { throw ExitCode(1) }
    }

    private func tell(_ state: LogState) {
        Console.table([
            ("log", state.log), ("api", "Rekor v\(state.version)"), ("entries", String(state.size)),
        ])
        for tree in state.trees {
            print(tree.isActive ? "tree (active)" : "tree (closed)", tree.origin)
            var lines = [("size", String(tree.size)), ("root", tree.rootHash)]
            if let log = tree.signedBy { lines.append(("signed by", "\(log), verified")) }
            if let problem = tree.problem { lines.append(("NOT VERIFIED", problem)) }
            for witness in tree.witnesses {
                lines.append(("witness", "\(witness.name), \(witness.cosignedAt.formatted(.iso8601))"))
            }
            let others = tree.signatures.filter { name in !tree.witnesses.contains { $0.name == name } }
            lines.append(("signatures", others.joined(separator: ", ")))
            Console.table(lines, indent: "  ")
        }
        if !state.isJudged { print("not verified: no trust material was given") }
    }
}
