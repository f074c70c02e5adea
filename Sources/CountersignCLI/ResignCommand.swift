import ArgumentParser
import Countersign
import FoundationEssentials

struct ResignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resign", abstract: "Have another signature made of what is signed, and wait for it.",
        discussion: """
            A new generation of each artifact, as a batch. Exit status 0 if everything has its new signature, 1 if not, 4 if the
            time was up before that; so it runs as a scheduled job. `countersign batch status ID` shows what is left.
            """)

    @OptionGroup var api: APIOptions
    @OptionGroup var output: OutputOption
    @Option(help: "What becomes of the older signatures of ours: keep, or remove (out of what the registry lists).")
    var old = Batch.OldSignatures.keep
    @OptionGroup var options: BatchRunOptions
    @OptionGroup var subjects: BatchSubjectOptions

    func validate() throws {
        guard options.reason?.isEmpty == false else {
            throw ValidationError("Say why: --reason TEXT. It is kept with the signature's record.")
        }
    }

    func run() async throws {
        try await BatchFollower(client: api.client, output: output.output).run(
            "/v1/resign", subjects, options, old: old)
    }
}
