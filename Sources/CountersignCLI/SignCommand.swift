import ArgumentParser
import Countersign
import FoundationEssentials

struct SignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Ask the daemon to sign by hand what its webhook missed, and wait for it.",
        discussion: """
            The daemon decides by its own policy; a reference outside it is refused, as a push would be.
            Exit status 0 if everything is signed in the end, 1 if not, 3 if the daemon does not answer by the end of the time:
            what it took it goes on with.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "How long to wait, such as 60s.") var timeout = DurationArgument(.seconds(60))
    @Flag(help: "Only ask; do not wait.") var noWait = false
    @Argument(help: "host/repository@digest or host/repository:tag, one or more.") var references: [String]

    private struct Request: Encodable { let references: [String] }
    /// The API's answer, and what became of each item.
    private struct Answer: Codable {
        struct Item: Codable {
            let reference: String
            let verdict: String
            let reason: String?
            /// Absent for what was refused, and for what nothing was heard of in time.
            var status: Received<ArtifactAnswer>?

            func tell() {
                if let status { return status.answer.tell() }
                print("\(verdict)  \(reference)  \(reason ?? "nothing was heard of it in time")")
            }
        }
        var items: [Item]
    }

    func run() async throws {
        let client = try api.client
        var answer: Answer = try await client.post("/v1/sign", Request(references: references))
        let isText = output.output == .text
        if isText { for item in answer.items where item.verdict == "refused" { item.tell() } }
        if !noWait {
            let waiter = Waiter(client: client)
            for place in answer.items.indices where answer.items[place].verdict != "refused" {
                answer.items[place].status = try await waiter.settled(
                    answer.items[place].reference, within: timeout.duration)
                if isText { answer.items[place].tell() }
            }
        }
        if !isText { try Console.json(answer) }
        // a look at what was signed before has to end, and to find it whole
        let isDone = answer.items.allSatisfy { item in
            noWait ? item.verdict != "refused" : item.status.map { $0.isSound && $0.isSettled } ?? false
        }
        if !isDone { throw ExitCode(1) }
    }
}
