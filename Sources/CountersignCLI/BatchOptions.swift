import ArgumentParser
import Countersign
import FoundationEssentials

/// Which artifacts a batch or a re-signing is about: references, a file of them, or conditions over the daemon's records.
struct BatchSubjectOptions: ParsableArguments {
    @Argument(help: "host/repository@digest or host/repository:tag, any number.") var references: [String] = []
    @Option(help: "File with one reference a line, '#' begins a comment; - is standard input.") var file: String?

    @Flag(help: "Ask the registry for its tags, instead of the daemon's records: --repository, --tag.")
    var fromRegistry = false
    @Option(help: "Only this registry.") var registry: String?
    @Option(help: "Glob over registry/repository, such as 'registry.example.com/team/**'.") var repository: String?
    @Option(help: "Glob over the tags that the daemon has seen at the digest; each match is one member.") var tag:
        String?
    @Option(help: "Only this digest; may be repeated.") var digest: [String] = []
    @Flag(help: "Only what has no signature of ours.") var unsigned = false
    @Option(help: "Only what was signed before this time, such as 2026-01-31T00:00:00Z.") var signedBefore: String?
    @Option(help: "Only what carries this name in its certificate.") var identity: String?

    private var hasConditions: Bool {
        [registry, repository, tag, signedBefore, identity].contains { $0 != nil } || !digest.isEmpty || unsigned
            || fromRegistry
    }

    /// The two forms of the API: exactly one of them.
    func resolved() throws -> (references: [String]?, selector: RequestedSelector?) {
        let listed = references + (try file.map(Self.lines) ?? [])
        switch (listed.isEmpty && file == nil, hasConditions) {
        case (false, false):
            guard !listed.isEmpty else { throw ValidationError("The file has no reference.") }
            return (listed, nil)
        case (true, true):
            return (
                nil,
                RequestedSelector(
                    source: fromRegistry ? .registry : nil, registry: registry, repository: repository, tag: tag,
                    digests: digest.isEmpty ? nil : digest,
                    unsigned: unsigned ? true : nil, signedBefore: signedBefore, identity: identity)
            )
        case (false, true):
            throw ValidationError("References and conditions are two ways to say what is meant: take one.")
        case (true, false):
            throw ValidationError("Say what is meant: references, --file, or conditions such as --repository.")
        }
    }

    private static func lines(of path: String) throws -> [String] {
        guard let bytes = try? NamedFile(argument: path).contents(atMost: 64 << 20),
            let text = String(bytes: bytes, encoding: .utf8)
        else {
            throw CommandFailure(
                code: "cli.file", observed: "cannot read \(path)", fix: "One reference a line, in UTF-8.", status: 2)
        }
        return text.split(whereSeparator: \.isNewline).compactMap { line in
            let word = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).first
            return word.map(String.init)
        }
    }
}

/// How a batch is run from the command line.
struct BatchRunOptions: ParsableArguments {
    @Flag(help: "Say what would be done, and do nothing.") var dryRun = false
    @Flag(help: "Only ask; do not wait.") var noWait = false
    @Option(help: "How long to wait, such as 30m; afterwards the batch goes on without this command.")
    var timeout = DurationArgument(.seconds(86_400))
    @Option(help: "Repeated under the same key, the request stays one batch; new at each run unless it is given.")
    var idempotencyKey: String?
    @Option(
        help:
            "Sign in this format alone (bundle, legacy), and refuse what the policy does not sign in it; may be repeated."
    )
    var format: [String] = []
    @Option(help: "Why; kept with the batch.") var reason: String?
    @Option(
        help:
            "One signature and one log entry for up to so many digests of a repository (1 to 1024), instead of for each."
    )
    var maxSubjects: Int?
    @Flag(help: "With --max-subjects: also for digests of different repositories, whose readers then see each other.")
    var acrossRepositories = false
    @Option(help: "The most digests that are begun in a minute, for each registry.") var rate: Int?

    func validate() throws {
        guard maxSubjects != nil || !acrossRepositories else {
            throw ValidationError("--across-repositories widens a group: say --max-subjects, too.")
        }
    }

    var grouping: BatchAnswer.Grouping? {
        maxSubjects.map { .init(Batch.Grouping(maxSubjects: $0, acrossRepositories: acrossRepositories)) }
    }
}

extension Batch.OldSignatures: ExpressibleByArgument {}
