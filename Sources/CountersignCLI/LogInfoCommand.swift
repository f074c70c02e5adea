import ArgumentParser
import Countersign
import Curl
import FoundationEssentials

struct LogInfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "How large a log is, its root, its trees, and who signs for them.",
        discussion: """
            With trust material the signature of each checkpoint is verified, with --config also that enough of the log's
            witnesses cosigned it. The daemon (--api) asks no log: of each that it knows, or of --log, it tells how many entries
            it has there, the newest checkpoint that it stored, when that was seen and up to where the history is proven. Exit
            status 0 if there is an answer (and they verify), 1 if one does not, or if the daemon saw the log contradict itself.
            """)

    @OptionGroup var source: LogSourceOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let trust = try await source.trusted()
        if source.asksDaemon { return try await recorded(by: source.daemon(), trust) }
        let state = try await source.site(trust, http: http).state()
        switch output.output {
        case .json: try Console.json(state)
        case .text: tell(state)
        }
        if state.isJudged, !state.isVerified { throw ExitCode(1) }
    }

    /// What the daemon has stored.
    private func recorded(by daemon: APIClient, _ trust: Trust?) async throws {
        var known: RecordedLogs = try await daemon.get("/v1/logs")
        if let log = source.log {
            known.logs.removeAll { known in known.log != log && !known.entries.contains { $0.logID == log } }
        }
        guard !known.logs.isEmpty else {
            throw CommandFailure(
                code: "log.unknown", observed: "the daemon at \(daemon.base) knows no log \(source.log ?? "")",
                fix: "ask the log itself: --rekor-url URL; `log info --api` without --log tells those that it knows",
                status: 1)
        }
        if let trust { known.judge(by: try source.trustedLogs(trust)) }
        switch output.output {
        case .json: try Console.json(known)
        case .text:
            known.tell()
            if trust == nil { print("not verified: no trust material was given") }
        }
        if !known.holds { throw ExitCode(1) }
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
