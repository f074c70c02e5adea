import ArgumentParser
import FoundationEssentials

struct SignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Ask the daemon to sign by hand what its webhook missed, and wait for it.",
        discussion: """
            The daemon decides by its own policy; a reference outside it is refused, as a push would be.
            Exit status 0 if everything is signed in the end, 1 if not.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "How long to wait, such as 60s.") var timeout = DurationArgument(.seconds(60))
    @Flag(help: "Only ask; do not wait.") var noWait = false
    @Argument(help: "host/repository@digest or host/repository:tag, one or more.") var references: [String]

    private struct Request: Encodable { let references: [String] }
    private struct Answer: Codable {
        struct Item: Codable {
            let reference: String
            let verdict: String
            let reason: String?
        }
        let items: [Item]
    }

    func run() async throws {
        let client = try api.client
        let answer: Answer = try await client.post("/v1/sign", Request(references: references))
        let refused = answer.items.filter { $0.verdict == "refused" }
        if output.output == .text {
            for item in refused { print("refused  \(item.reference)  \(item.reason ?? "")") }
        }
        if noWait {
            if output.output == .json { try Console.json(answer) }
            if !refused.isEmpty { throw ExitCode(1) }
            return
        }
        var statuses: [ArtifactStatus] = []
        let waiter = Waiter(client: client)
        for item in answer.items where item.verdict != "refused" {
            if let status = try await waiter.settled(item.reference, within: timeout.duration) {
                statuses.append(status)
                if output.output == .text { status.tell() }
            }
        }
        if output.output == .json { try Console.json(statuses) }
        let signed = statuses.filter { $0.state == "signed" }.count
        if signed != references.count { throw ExitCode(1) }
    }
}
