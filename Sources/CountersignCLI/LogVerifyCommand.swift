import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

struct LogVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Prove that a log holds an entry now, and that its history was not rewritten.",
        discussion: """
            Of an image the entries of all its signatures and attestations are looked up, in both formats, each in the log whose
            key it names (or in the one of --rekor-url or --log): the log must still have the same body, under the newest of
            its checkpoints, and the checkpoint that the signature came with must be an earlier state of the same tree. Of an
            index or uuid the entry itself. The daemon (--api) asks no log: each entry that it recorded, live or put aside, is
            held against the checkpoints that it stored and proved. Needs trust material. Says nothing about whose signature it is: `countersign verify`
            does. Exit status 0 if a log holds an entry and none denies one that it vouched for; 1 if not; 3 if the registry or
            a log could not be asked, or if none denies one and not all that is attached was read. What cannot be read, has no
            entry, or is in a log that was not asked is told, and decides nothing.
            """)

    @Option(help: "An entry's index in the log.") var index: Int64?
    @Option(help: "Its uuid; Rekor v1 only.") var uuid: String?
    @Option(
        help: "Folder where the logs' checkpoints are remembered. Default: countersign/logs in the user's state folder."
    )
    var logState: String?
    @OptionGroup var source: LogSourceOptions
    @OptionGroup var signatures: SignatureRepositoryOption
    @OptionGroup var output: OutputOption
    @OptionGroup var time: TimeoutOption
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String?

    func validate() throws {
        guard [reference, uuid, index.map(String.init)].compactMap(\.self).count == 1 else {
            throw ValidationError("Say what to verify: an image, --index N, or --uuid U.")
        }
        guard source.trust.isGiven else { throw Self.needsTrust }
    }

    private static let needsTrust = ValidationError(
        "Say whom to trust: \(TrustOptions.ways).")

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        guard let trust = try await source.trusted() else { throw Self.needsTrust }
        let store = FileCheckpoints(
            folder: logState ?? FileCheckpoints.defaultFolder(ProcessInfo.processInfo.environment))
        let findings: [VerifyLogEntries.Finding]
        if source.asksDaemon {
            findings = try await recorded(by: source.daemon(), trust)
        } else if let reference {
            findings = try await lookUp(Reference(argument: reference), trust, store, http)
        } else {
            let log = try await source.site(trust, http: http)
            findings = [
                try await VerifyLogEntries.look(at: log, index: index, remembering: store) {
                    if let index { return try await log.entry(index: index) }
                    return try await log.entry(uuid: uuid ?? "")
                }
            ]
        }
        switch output.output {
        case .json: try Console.json(findings)
        case .text:
            for finding in findings { finding.tell() }
            if reference != nil { print(findings.summary) }
        }
        guard let holds = findings.holds else { throw ExitCode(3) }
        if !holds { throw ExitCode(1) }
    }

    /// The entries that the daemon recorded, against the checkpoints that it stored.
    private func recorded(by daemon: APIClient, _ trust: Trust) async throws -> [VerifyLogEntries.Finding] {
        var query = [("limit", "\(Self.mostRecorded)")]
        for (name, value) in [
            ("ref", reference), ("index", index.map(String.init)), ("uuid", uuid), ("log", source.log),
        ] {
            if let value { query.append((name, value)) }
        }
        let found: RecordedEntries = try await daemon.get("/v1/log-entries", query: query)
        guard !found.entries.isEmpty else { throw found.notFound(at: daemon, query.dropFirst()) }
        guard found.count <= Self.mostRecorded else {
            throw CommandFailure(
                code: "log.too_many", observed: "the daemon recorded \(found.count) such entries",
                fix: "name one with --index and --log, or one image by its digest", status: 2)
        }
        let logs = try source.trustedLogs(trust)
        var findings: [VerifyLogEntries.Finding] = []
        for item in found.entries {
            let entry = try TlogEntry(record: await daemon.bytes("/v1/log-entries/\(item.id)"), uuid: item.logUUID)
            let known: EntryCheckpointAnswer = try await daemon.get("/v1/log-entries/\(item.id)/checkpoint")
            let kept = VerifyLogEntries.KeptCheckpoints(
                note: known.stored?.note, isProven: known.stored?.provenAt != nil, seenAt: known.stored?.seenAt.apiText,
                newest: known.newest?.note, alarm: known.alarm)
            findings.append(
                VerifyLogEntries.look(at: entry, in: item.log, of: logs, against: kept, trusting: trust.verifier))
        }
        return findings
    }

    /// As many as one page of the API has.
    private static let mostRecorded = 500

    /// The entries of what is attached to an image.
    private func lookUp(
        _ reference: Reference, _ trust: Trust, _ store: FileCheckpoints, _ http: HTTPClient
    ) async throws -> [VerifyLogEntries.Finding] {
        let configuration = try source.trust.config.map { try ConfigurationOption.load($0) }
        let (client, place) = try source.registry.places(
            of: reference.repository, signatures: signatures, configuration, http: http)
        let verify = VerifyLogEntries(
            registry: client, signatures: place, in: try await source.sites(trust, http: http), remembering: store)
        let (digest, findings) = try await time.limit { try await verify.verify(reference) }
        guard !findings.isEmpty else {
            throw CommandFailure(
                code: "log.no_entry",
                observed: "no signature is attached to \(reference.repository)@\(digest)"
                    + (place.map { " in \($0.repository)" } ?? ""),
                fix: "see what is: `countersign tree \(reference.repository)@\(digest)`", status: 1)
        }
        return findings
    }
}

extension VerifyLogEntries.Finding {
    fileprivate func tell() {
        let verdict =
            switch outcome {
            case .verified: "verified"
            case .refused: "NOT VERIFIED"
            case .unproven: "unproven"
            case .elsewhere: "not asked"
            case .unlogged: "not logged"
            case .unreadable: "unreadable"
            case .unread: "unread"
            }
        print(verdict + (logIndex.map { "  index \($0)" } ?? "") + (log.map { " of \($0)" } ?? ""))
        if let signature { print("  signature \(signature)") }
        for check in checks {
            print("  · \(check.check): \(check.seen)\(check.against.map { " (against \($0))" } ?? "")")
        }
        if let failure { print("  \(failure.observed) [\(failure.code)]") }
    }
}
