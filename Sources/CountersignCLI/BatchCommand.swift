import ArgumentParser
import Countersign
import FoundationEssentials

struct BatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch", abstract: "Have many references signed, and follow them.",
        subcommands: [
            BatchSignCommand.self, BatchStatusCommand.self, BatchApproveCommand.self, BatchCancelCommand.self,
            BatchResumeCommand.self, BatchRetryCommand.self,
        ], defaultSubcommand: BatchSignCommand.self)
}

struct BatchSignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Ask for a list, a file, or what conditions select (the default).",
        discussion: """
            The daemon decides each by its own policy, as it would a push; conditions are asked of the daemon's records, not of
            the registry. Exit status 0 if everything is signed in the end, 1 if not, 4 if the time was up before that.
            Interrupted, the batch goes on.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @OptionGroup var options: BatchRunOptions
    @OptionGroup var subjects: BatchSubjectOptions

    func run() async throws {
        try await BatchFollower(client: api.client, output: output.output).run("/v1/batches", subjects, options)
    }
}

struct BatchStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how far a batch is, and what is not signed.",
        discussion:
            "Exit status 0 if everything in it is signed, 1 if not (yet); 4 if the time of --wait, a day, is up.")

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Flag(help: "Wait for its end.") var wait = false
    @Argument(help: "The batch's number.") var id: Int64

    func run() async throws {
        let follower = BatchFollower(client: try api.client, output: output.output)
        // asked once without patience: a wrong address is told at once
        let batch = try await follower.page(id, limit: 1).batch
        if wait { return try await follower.follow(id, within: .seconds(86_400)) }
        var none = Patience(for: .zero)
        try await follower.tell(batch, &none)
        if !batch.isAllSigned { throw ExitCode(1) }
    }
}

/// What the three commands on a batch share.
protocol BatchChange: AsyncParsableCommand {
    var api: APIOptions { get }
    var output: OutputOption { get }
    var id: Int64 { get }
    static var verb: String { get }
}

extension BatchChange {
    mutating func run() async throws {
        let batch: Received<BatchAnswer> = try await api.client.post(
            "/v1/batches/\(id)/\(Self.verb)", [String: String]())
        if output.output == .json { return try Console.json(batch) }
        print(batch.line)
    }
}

struct BatchApproveCommand: BatchChange {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Let a proposed batch run; as admin, another person than asked for it.")
    static let verb = "approve"
    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "The batch's number.") var id: Int64
}

struct BatchCancelCommand: BatchChange {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Take back what is not signed yet; what runs ends by itself.")
    static let verb = "cancel"
    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "The batch's number.") var id: Int64
}

struct BatchResumeCommand: BatchChange {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a batch that was cancelled.")
    static let verb = "resume"
    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "The batch's number.") var id: Int64
}

struct BatchRetryCommand: BatchChange {
    static let configuration = CommandConfiguration(
        commandName: "retry-failed", abstract: "Try once more what failed, was refused or was gone.")
    static let verb = "retry-failed"
    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "The batch's number.") var id: Int64
}
