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
            Of an image the entries of all its bundles are looked up: the log must still have the same body, under the newest of
            its checkpoints, and the checkpoint that the signature came with must be an earlier state of the same tree. Of an
            index or uuid the entry itself. Needs trust material. Says nothing about whose signature it is: `countersign verify`
            does. Exit status 0 if everything holds, 1 if not, 3 if the log could not be asked.
            """)

    @Option(help: "An entry's index in the log.") var index: Int64?
    @Option(help: "Its uuid; Rekor v1 only.") var uuid: String?
    @Option(
        help: "Folder where the logs' checkpoints are remembered. Default: countersign/logs in the user's state folder."
    )
    var logState: String?
    @OptionGroup var source: LogSourceOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "host/repository@digest or host/repository:tag.") var reference: String?

    func validate() throws {
        guard [reference, uuid, index.map(String.init)].compactMap(\.self).count == 1 else {
            throw ValidationError("Say what to verify: an image, --index N, or --uuid U.")
        }
        guard source.trust.isGiven else {
            throw ValidationError(
                "Say whom to trust: --config, --trusted-root, --client-trust-config or --tuf-url.")
        }
        if source.api != nil { throw ValidationError("It is the log that is asked: --rekor-url URL.") }
    }

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
        defer { http.shutdown() }
        let trust = try await source.trusted()
        let log = try await source.site(trust, http: http)
        let store = FileCheckpoints(
            folder: logState ?? FileCheckpoints.defaultFolder(ProcessInfo.processInfo.environment))
        var answers: [Answer] = []
        if let reference {
            let known = try await entries(of: Reference(argument: reference), http)
            for (referrer, entry) in known {
                // another log of the same instance may hold this one: say so instead of calling it missing
                answers.append(
                    try await Answer(log, referrer: referrer, index: entry.logIndex) {
                        let present = try await log.entry(index: entry.logIndex)
                        guard present.logID == entry.logID else {
                            throw TransparencyError.otherEntry(
                                log: log.url, asked: "index \(entry.logIndex)",
                                detail: "the signature is in the log with id \(Hex.encode(entry.logID)): name that one")
                        }
                        return try await (present, log.verify(present, known: entry, remembering: store))
                    })
            }
        } else {
            answers.append(
                try await Answer(log, referrer: nil, index: index) {
                    let present: TlogEntry
                    if let index {
                        present = try await log.entry(index: index)
                    } else {
                        present = try await log.entry(uuid: uuid ?? "")
                    }
                    return try await (present, log.verify(present, remembering: store))
                })
        }
        switch output.output {
        case .json: try Console.json(answers)
        case .text: for answer in answers { answer.tell() }
        }
        if answers.contains(where: { !$0.verified }) { throw ExitCode(1) }
    }

    /// The log entries of the bundles attached to an image, with where each was found.
    private func entries(of reference: Reference, _ http: HTTPClient) async throws -> [(String, TlogEntry)] {
        let name = reference.repository.name
        let client = try source.registry.client(for: reference.repository.registry, http: http)
        let digest: Digest
        if let written = reference.digest {
            digest = written
        } else {
            digest = try await client.resolve(name, tag: reference.tag ?? "latest").descriptor.digest
        }
        var found: [(String, TlogEntry)] = []
        for attached in try await client.bundles(name, of: digest).bundles {
            let bundle = try UnverifiedBundle(json: attached.bytes, limits: UnverifiedBundle.attestationLimits)
            found += bundle.tlogEntries.map { ("\(attached.manifest.digest)", $0) }
        }
        guard !found.isEmpty else {
            throw CommandFailure(
                code: "log.no_entry",
                observed: "no bundle with a log entry is attached to \(reference.repository)@\(digest)",
                fix: "see what is: `countersign describe \(reference.repository)@\(digest)`", status: 1)
        }
        return found
    }

    /// One entry, and what came of it.
    private struct Answer: Encodable {
        let log: String
        let referrer: String?
        let logIndex: Int64?
        let verified: Bool
        let checks: [LogCheck]
        let failure: LogEntryAnswer.Failure?

        init(
            _ log: LogSite, referrer: String?, index: Int64?, _ check: () async throws -> (TlogEntry, [LogCheck])
        ) async throws {
            self.log = log.url
            self.referrer = referrer
            do {
                let (entry, checks) = try await check()
                (logIndex, self.checks, verified, failure) = (entry.logIndex, checks, true, nil)
            } catch let error as VerificationError {
                (logIndex, checks, verified) = (index, [], false)
                failure = .init(code: error.code, observed: error.observed)
            } catch let error as TransparencyError {
                guard CommandFailure(describing: error).status == 1 else { throw error }
                (logIndex, checks, verified) = (index, [], false)
                failure = .init(code: error.code, observed: error.observed)
            } catch let error as SigstoreError {
                guard case .logInconsistent = error else { throw error }
                (logIndex, checks, verified) = (index, [], false)
                failure = .init(code: error.code, observed: error.observed)
            }
        }

        func tell() {
            print(verified ? "verified" : "NOT VERIFIED", logIndex.map { " index \($0) of \(log)" } ?? " \(log)")
            if let referrer { print("  bundle \(referrer)") }
            for check in checks {
                print("  · \(check.check): \(check.seen)\(check.against.map { " (against \($0))" } ?? "")")
            }
            if let failure { print("  \(failure.observed) [\(failure.code)]") }
        }
    }
}
