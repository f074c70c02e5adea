import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

struct LogSearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Find entries, newest first, and count them.",
        discussion: """
            The index of Rekor v1 knows e-mail addresses, digests and keys, not other identities, and an empty answer of it
            proves nothing. Rekor v2 keeps no index. The daemon (--api) knows its own entries by identity, image, digest and
            time, also those that were put aside. Exit status 0 if there are entries, 1 if there are none.
            """)

    @Option(help: "An e-mail address that a certificate names.") var email: String?
    @Option(
        help: "A certificate's subject alternative name, whatever its kind. With an e-mail address the same as --email."
    )
    var identity: String?
    @Option(help: "The digest of an image, a payload or an artifact, as sha256:….") var digest: String?
    @Option(help: "PEM of the key or certificate that signed.") var publicKey: String?
    @Option(help: "Entries from that day or time on (--api only).") var from: String?
    @Option(help: "Entries before that day or time (--api only).") var to: String?
    @Option(help: "How many are shown; all are counted.") var limit = 20
    @OptionGroup var source: LogSourceOptions
    @OptionGroup var output: OutputOption
    @Argument(help: "An image: host/repository@digest or :tag; with --api also a whole repository.")
    var reference: String?

    func validate() throws {
        guard (1...500).contains(limit) else { throw ValidationError("--limit is 1 to 500.") }
        let terms = [email ?? identity, digest ?? reference, publicKey].compactMap(\.self).count
        guard terms > 0 || source.asksDaemon else {
            throw ValidationError("Say what to search for: --email, --identity, --digest, --public-key, or an image.")
        }
        guard terms <= 1 || source.asksDaemon else {
            throw ValidationError("A log's index is searched by one thing at a time; the daemon (--api) by several.")
        }
        if email != nil, identity != nil { throw ValidationError("Give --email or --identity.") }
        if digest != nil, reference != nil { throw ValidationError("Give --digest or an image.") }
        if publicKey != nil, source.asksDaemon {
            throw ValidationError("The daemon knows its entries by identity, not by key: --identity key:HINT.")
        }
        if from != nil || to != nil, !source.asksDaemon {
            throw ValidationError("A log's index has no times: --from and --to go with --api.")
        }
    }

    func run() async throws {
        let found: LogSearchAnswer
        if source.asksDaemon {
            found = try await recorded(by: source.daemon())
        } else {
            let http = HTTPClient(userAgent: "countersign/\(BuildVersion.current)")
            defer { http.shutdown() }
            let trust = try await source.trusted()
            let term = try await term(http)
            let log = try await source.site(trust, http: http)
            found = try await LogSearchAnswer(log, term, what: what, limit: limit, trust)
        }
        switch output.output {
        case .json: try Console.json(found)
        case .text: found.tell()
        }
        if found.count == 0 { throw ExitCode(1) }
    }

    /// The search in words, for the line with the count.
    private var what: String {
        var words: [String] = []
        if let name = email ?? identity { words.append("signed by \(name)") }
        if let about = digest ?? reference { words.append("of \(about)") }
        if publicKey != nil { words.append("made with that key") }
        if let from { words.append("from \(from)") }
        if let to { words.append("before \(to)") }
        return words.joined(separator: ", ")
    }

    private func recorded(by daemon: APIClient) async throws -> LogSearchAnswer {
        var query = [("limit", String(limit))]
        for (name, value) in [
            ("identity", email ?? identity), ("digest", digest), ("ref", reference), ("log", source.log),
            ("from", from), ("to", to),
        ] {
            if let value { query.append((name, value)) }
        }
        return LogSearchAnswer(try await daemon.get("/v1/log-entries", query: query), what: what)
    }

    /// What Rekor v1 can be asked.
    private func term(_ http: HTTPClient) async throws -> LogSearch {
        if let name = email ?? identity {
            guard name.contains("@"), !name.contains("/") else {
                throw CommandFailure(
                    code: "log.not_searchable",
                    observed: "Rekor's index knows e-mail addresses only, and \"\(name)\" is none",
                    fix:
                        "ask the daemon, which knows its own entries by any identity: --api URL; or search by --digest",
                    status: 2)
            }
            return .email(name)
        }
        if let publicKey {
            return .publicKey(pem: String(decoding: try ConformanceFile.bytes(publicKey), as: UTF8.self))
        }
        if let digest { return .hash(digest) }
        return .hash(try await resolved(Reference(argument: reference ?? ""), http).description)
    }

    private func resolved(_ reference: Reference, _ http: HTTPClient) async throws -> Digest {
        if let digest = reference.digest { return digest }
        guard let tag = reference.tag else {
            throw CommandFailure(
                code: "reference.incomplete", observed: "\(reference) names neither a tag nor a digest",
                fix: "name one; whole repositories are known to the daemon only (--api)", status: 2)
        }
        let client = try source.registry.client(for: reference.repository.registry, http: http)
        return try await client.resolve(reference.repository.name, tag: tag).descriptor.digest
    }
}

/// What a search found: some of it, and how much there is.
struct LogSearchAnswer: Encodable {
    let what: String
    let count: Int
    /// Whether there are more than `count`.
    let countIsCapped: Bool
    /// Of a log, as it gave them.
    let entries: [LogEntryAnswer]
    /// Of the daemon's record.
    let records: [RecordedEntries.Entry]

    init(_ found: RecordedEntries, what: String) {
        self.what = what
        (count, countIsCapped, entries, records) = (found.count, found.countIsCapped, [], found.entries)
    }

    init(_ log: LogSite, _ term: LogSearch, what: String, limit: Int, _ trust: Trust?) async throws {
        let uuids = try await log.search(term)
        var entries: [LogEntryAnswer] = []
        // the index is without order, and says nothing but names
        for uuid in uuids.prefix(limit) {
            entries.append(LogEntryAnswer(try await log.entry(uuid: uuid), log: log.url, trust))
        }
        self.what = what
        (count, countIsCapped, records) = (uuids.count, false, [])
        self.entries = entries.sorted { $0.entry.logIndex > $1.entry.logIndex }
    }

    func tell() {
        for answer in entries { Self.tell(answer) }
        for record in records {
            let state = record.state == "live" ? "" : ", \(record.state)"
            print(
                "index \(record.logIndex)  \(record.integratedAt ?? record.loggedAt)  \(record.identity ?? "")\(state)")
            Console.table([("log", record.log)] + record.lines, indent: "  ")
        }
        let number = countIsCapped ? "more than \(count)" : "\(count)"
        let shown = entries.count + records.count
        print(
            "Found \(number) \(count == 1 && !countIsCapped ? "entry" : "entries")\(what.isEmpty ? "" : " \(what)")"
                + (shown < count ? "; \(shown) shown" : "") + ".")
    }

    private static func tell(_ answer: LogEntryAnswer) {
        let entry = answer.entry
        let time = entry.integratedTime.map { $0.formatted(.iso8601) } ?? ""
        print("index \(entry.logIndex)  \(time)  \(entry.kind) \(entry.version)")
        var lines = [("uuid", entry.uuid)]
        for signer in entry.signers {
            if let identity = signer.identity { lines.append(("identity", identity)) }
            if let issuer = signer.issuer { lines.append(("issuer", issuer)) }
        }
        for content in entry.contents { lines.append((content.what, content.digest)) }
        if let failure = answer.failure { lines.append(("NOT VERIFIED", "\(failure.observed) [\(failure.code)]")) }
        Console.table(lines, indent: "  ")
    }
}
