import ArgumentParser
import Countersign
import FoundationEssentials

/// What `/v1/revoke` and `/v1/revoke/release` take and answer.
private struct RevocationRequest: Encodable {
    let references: [String]
    let reason: String
    let remove: Bool?
}

private struct RevocationResult: Codable {
    struct Item: Codable {
        let reference: String
        let state: String
        let changed: Bool
        /// What became of the removal that was asked for, as in the artifact's status; the daemon answers before that.
        var removal: String?
        var removalError: Failure?

        var words: String {
            if state == "not_revoked" { return "was not revoked" }
            return changed ? state : "\(state) (before)"
        }
    }
    var items: [Item]

    func tell() {
        for item in items { print("\(item.words)\t\(item.reference)") }
    }
}

struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Withdraw: a digest is not signed in its repository any more, until it is released.",
        discussion: """
            Signatures that exist stay valid for whoever has them: they are in a public log. With --remove they are taken out of
            what the registry lists, where it lists by a tag, and deleted where the daemon has a credential for that. Exit status 0
            if that was done, 1 if the registry goes on listing them by itself or would not delete, 3 if the daemon does not
            say, 4 if the time was up before.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "Why; kept for the record, and shown by status.") var reason: String
    @Flag(help: "Also take what was published out of the registry's lists, and delete it where that is configured.")
    var remove = false
    @Option(help: "How long to wait for that, such as 60s.") var timeout = DurationArgument(.seconds(60))
    @Argument(help: "host/repository@digest, one or more.") var references: [String]

    func run() async throws {
        let client = try api.client
        var result: RevocationResult = try await client.post(
            "/v1/revoke", RevocationRequest(references: references, reason: reason, remove: remove ? true : nil))
        if output.output == .text { result.tell() }
        // also when the rest cannot be waited for: they are revoked
        defer { if output.output == .json { try? Console.json(result) } }
        guard remove else { return }
        var patience = Patience(for: timeout.duration)
        var (isRemoved, waiting, unsaid) = (true, 0, 0)
        for place in result.items.indices {
            let reference = result.items[place].reference
            func ask() async throws -> ArtifactAnswer {
                try await client.get("/v1/artifacts", query: [("ref", reference)])
            }
            var status = try await patience.ask(ask)
            while status.revocation?.removal == Revocations.Removal.asked.rawValue, !patience.isOver {
                try await patience.pause(.milliseconds(250))
                status = try await patience.ask(ask)
            }
            guard let revocation = status.revocation else {
                unsaid += 1
                Console.error("\(reference): \(status.state), without a revocation")
                continue
            }
            result.items[place].removal = revocation.removal
            result.items[place].removalError = revocation.removalError
            if revocation.removal == Revocations.Removal.asked.rawValue { waiting += 1 }
            let isDone =
                [.removed, .deleted].contains(Revocations.Removal(rawValue: revocation.removal))
                && revocation.removalError == nil
            if !isDone { isRemoved = false }
            Console.error("\(reference): \(revocation.removalWords)")
        }
        guard waiting == 0 else {
            throw Patience.timeIsUp(
                "\(waiting) of \(result.items.count) are not taken out yet",
                fix: "They are revoked, and the rest goes on: countersign status REF")
        }
        guard unsaid == 0 else {
            throw CommandFailure(
                code: "revocation.unsaid",
                observed: "the status of \(unsaid) of \(result.items.count) has no revocation",
                fix: "Ask again: countersign status REF. A daemon of another database, or an older one, has none.")
        }
        if !isRemoved { throw ExitCode(1) }
    }
}

struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Lift a revocation: the digest may be signed again.",
        discussion:
            "What had been pushed is queued at once. Needs the role admin. Exit status 1 if one of them was not revoked."
    )

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "Why; kept for the record.") var reason: String
    @Argument(help: "host/repository@digest, one or more.") var references: [String]

    func run() async throws {
        let result: RevocationResult = try await api.client.post(
            "/v1/revoke/release", RevocationRequest(references: references, reason: reason, remove: nil))
        if output.output == .json { try Console.json(result) } else { result.tell() }
        if result.items.contains(where: { !$0.changed }) { throw ExitCode(1) }
    }
}
