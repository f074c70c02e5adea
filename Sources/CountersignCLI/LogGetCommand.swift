import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Sigstore

struct LogGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "One entry: what it holds, whose it is, and whether the log proves it.",
        discussion: """
            With trust material the entry is verified by itself: log, promise, checkpoint, inclusion, and the certificate at
            the time of the log. Without, it is shown as the log gave it. Exit status 0 if it is there (and verifies), 1 if not.
            """)

    @OptionGroup var entry: LogEntryOptions
    @OptionGroup var source: LogSourceOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let trust = try await source.trusted()
        var answers: [LogEntryReport] = []
        switch try await source.source(trust, http: http) {
        case .log(let log):
            let found = try await entry.entry(of: log)
            answers = [LogEntryReport(found, log: log.url, trust)]
        case .daemon(let daemon):
            answers = try await recorded(by: daemon, trust)
        }
        switch output.output {
        case .json:
            if answers.count == 1 { try Console.json(answers[0]) } else { try Console.json(answers) }
        case .text: for answer in answers { answer.tell() }
        }
        if answers.contains(where: { $0.failure != nil }) { throw ExitCode(1) }
    }

    /// What the daemon recorded; several, where several logs have an entry of that index.
    private func recorded(by daemon: APIClient, _ trust: Trust?) async throws -> [LogEntryReport] {
        var query = entry.query
        if let log = source.log { query.append(("log", log)) }
        let found: RecordedEntries = try await daemon.get("/v1/log-entries", query: query)
        guard !found.entries.isEmpty else { throw found.notFound(at: daemon, query[...]) }
        var answers: [LogEntryReport] = []
        for item in found.entries {
            let whole = try await daemon.bytes("/v1/log-entries/\(item.id)")
            answers.append(LogEntryReport(try TlogEntry(record: whole, uuid: item.logUUID), log: item.log, trust, item))
        }
        return answers
    }
}

/// An entry as a command shows it: what it says, what was checked, and what our own record says of it.
struct LogEntryReport: Encodable {
    struct Failure: Encodable {
        let code: String
        let observed: String
    }
    let entry: LogEntryDescription
    /// Absent where nobody was trusted.
    let verified: Bool?
    /// The checks that passed; empty if one failed, since nothing counts then.
    let checks: [LogCheck]
    let failure: Failure?
    /// The daemon's record of it, where it was asked.
    let record: Received<LogEntryAnswer>?

    init(_ entry: TlogEntry, log: String, _ trust: Trust?, _ record: Received<LogEntryAnswer>? = nil) {
        self.entry = LogEntryDescription(entry, log: log)
        self.record = record
        guard let trust else {
            (verified, checks, failure) = (nil, [], nil)
            return
        }
        do throws(VerificationError) {
            checks = try trust.verifier.verify(entry).map { LogCheck($0) }
            (verified, failure) = (true, nil)
        } catch {
            (verified, checks) = (false, [])
            failure = Failure(code: error.code, observed: error.observed)
        }
    }

    func tell() {
        var lines = [
            ("entry", "\(entry.kind) \(entry.version), index \(entry.logIndex)"), ("log", entry.log ?? "unknown"),
            ("log id", entry.logID), ("uuid", entry.uuid),
        ]
        if let time = entry.integratedTime { lines.append(("logged", time.formatted(.iso8601))) }
        for signer in entry.signers {
            if let identity = signer.identity { lines.append(("identity", identity)) }
            if let issuer = signer.issuer { lines.append(("issuer", issuer)) }
            if let serial = signer.serial { lines.append(("serial", serial)) }
            if let start = signer.notBefore, let end = signer.notAfter {
                lines.append(("valid", "\(start.formatted(.iso8601)) to \(end.formatted(.iso8601))"))
            }
            if let key = signer.keySHA256 { lines.append(("key", "sha256 \(key)")) }
        }
        for content in entry.contents { lines.append((content.what, content.digest)) }
        if let problem = entry.bodyProblem { lines.append(("body", problem)) }
        if let proof = entry.proof {
            lines.append(
                ("proof", "leaf \(proof.index) of \(proof.treeSize), \(proof.hashes) hashes to root \(proof.rootHash)"))
            if let origin = proof.origin { lines.append(("checkpoint", origin)) }
        }
        if let record { lines += record.lines }
        Console.table(lines)
        switch verified {
        case true?:
            print("verified")
            for check in checks {
                print("  · \(check.check): \(check.seen)\(check.against.map { " (against \($0))" } ?? "")")
            }
        case false?: print("NOT VERIFIED  \(failure?.observed ?? "") [\(failure?.code ?? "")]")
        case nil: print("not verified: no trust material was given")
        }
    }
}
