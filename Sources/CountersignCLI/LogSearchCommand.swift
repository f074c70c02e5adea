import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Sigstore

struct LogSearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Find entries, and count them.",
        discussion: """
            The index of Rekor v1 knows e-mail addresses, digests and keys, not other identities, has no order, and an empty
            answer of it proves nothing. Of an image it is also asked for the documents of the older signatures that the
            registry has; --digest asks the log alone. Rekor v2 keeps no index. With --scan entries of either are read one after
            the other, the newest 10,000 unless it is said which, and found by any identity, by a digest that was signed, or by
            what is attached to an image. The daemon (--api) knows its own entries by identity, image, digest and time, newest
            first, also those that were put aside. Exit status 0 if there are entries, 1 if there are none, 3 if a log or
            registry could not be asked, or if there may be more, of what is attached to the image and was not read.
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
    @OptionGroup var scan: LogScanOptions
    @OptionGroup var source: LogSourceOptions
    @OptionGroup var signatures: SignatureRepositoryOption
    @OptionGroup var output: OutputOption
    @OptionGroup var time: TimeoutOption
    @Argument(help: "An image: host/repository@digest or :tag; with --api also a whole repository.")
    var reference: String?

    func validate() throws {
        guard (1...500).contains(limit) else { throw ValidationError("--limit is 1 to 500.") }
        let terms = [email ?? identity, digest ?? reference, publicKey].compactMap(\.self).count
        guard terms > 0 || source.asksDaemon else {
            throw ValidationError("Say what to search for: --email, --identity, --digest, --public-key, or an image.")
        }
        guard terms <= 1 || source.asksDaemon || scan.isMeant else {
            throw ValidationError("A log's index is searched by one thing at a time; the daemon (--api) by several.")
        }
        if scan.isMeant, publicKey != nil || source.asksDaemon {
            throw ValidationError(
                "A log is scanned by --identity, --digest or an image; the daemon knows its own entries.")
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
            if scan.isMeant {
                found = try await scanned(trust, http)
            } else {
                let (terms, unread) = try await terms(http)
                let log = try await source.site(trust, http: http)
                found = LogSearchAnswer(try await log.find(terms, limit: limit), unread, of: log, what: what, trust)
            }
        }
        switch output.output {
        case .json: try Console.json(found)
        case .text: found.tell()
        }
        if found.undetermined == true { throw ExitCode(3) }
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

    /// What is found by reading the log.
    private func scanned(_ trust: Trust?, _ http: HTTPClient) async throws -> LogSearchAnswer {
        var wanted = EntryScan.Wanted()
        var unread: [FoundEntries.Unread] = []
        if let reference {
            (wanted, unread) = try await attached(to: Reference(argument: reference), http) { place, digest in
                try await place.wanted(for: digest)
            }
        }
        wanted.identity = email ?? identity
        if let digest { wanted.digests = [digest] }
        let log = try await source.site(trust, http: http)
        var progress = ScanProgressLine()
        let (found, read) = try await log.scan(scan.stretch, for: wanted, limit: limit) { progress.tell($0) }
        return LogSearchAnswer(found, unread, of: log, what: what, trust, scanned: read)
    }

    /// What Rekor v1 can be asked; and older signatures that could not be read.
    private func terms(_ http: HTTPClient) async throws -> ([LogSearch], [FoundEntries.Unread]) {
        if let name = email ?? identity {
            guard name.contains("@"), !name.contains("/") else {
                throw CommandFailure(
                    code: "log.not_searchable",
                    observed: "Rekor's index knows e-mail addresses only, and \"\(name)\" is none",
                    fix:
                        "read entries for it: --scan; ask the daemon, which knows its own by any identity: --api URL; or search by --digest",
                    status: 2)
            }
            return ([.email(name)], [])
        }
        if let publicKey {
            return ([.publicKey(pem: String(decoding: try ConformanceFile.bytes(publicKey), as: UTF8.self))], [])
        }
        if let digest { return ([.hash(digest)], []) }
        return try await attached(to: Reference(argument: reference ?? ""), http) { place, digest in
            try await place.searchTerms(for: digest)
        }
    }

    /// What is read of an image's signatures where they are, by the image's digest, within the time.
    private func attached<Answer: Sendable>(
        to reference: Reference, _ http: HTTPClient,
        _ read: @escaping @Sendable (SignaturePlace, Digest) async throws -> Answer
    ) async throws -> Answer {
        guard reference.digest != nil || reference.tag != nil else {
            throw CommandFailure(
                code: "reference.incomplete", observed: "\(reference) names neither a tag nor a digest",
                fix: "name one; whole repositories are known to the daemon only (--api)", status: 2)
        }
        let configuration = try source.trust.config.map { try ConfigurationOption.load($0) }
        let (client, place) = try source.registry.places(
            of: reference.repository, signatures: signatures, configuration, http: http)
        let kept = place ?? SignaturePlace(registry: client, repository: reference.repository)
        return try await time.limit {
            try await read(kept, try await client.subject(of: reference).descriptor.digest)
        }
    }
}

/// What a search found: some of it, and how much there is.
struct LogSearchAnswer: Encodable {
    let what: String
    let count: Int
    /// Whether there are more than `count`.
    let countIsCapped: Bool
    /// Of a log: any of them, where not all were read, and the newest first.
    let entries: [LogEntryReport]
    /// Of the daemon's record, the newest first.
    let records: [Received<LogEntryAnswer>]
    /// What was found and cannot be shown.
    let unread: [FoundEntries.Unread]
    /// True if there may be more, of what is attached to the image and was not read; else absent.
    let undetermined: Bool?
    /// What was read of a log that was scanned.
    let scanned: EntryScan.Progress?

    init(_ found: RecordedEntries, what: String) {
        self.what = what
        scanned = nil
        (count, countIsCapped, entries, records) = (found.count, found.countIsCapped, [], found.entries)
        (unread, undetermined) = ([], nil)
    }

    init(
        _ found: FoundEntries, _ unread: [FoundEntries.Unread], of log: LogSite, what: String, _ trust: Trust?,
        scanned: EntryScan.Progress? = nil
    ) {
        self.what = what
        self.scanned = scanned
        (count, countIsCapped, records) = (found.count, false, [])
        entries = found.entries.map { LogEntryReport($0, log: log.url, trust) }
        self.unread = unread + found.unread
        undetermined = unread.contains { $0.isUndetermined } ? true : nil
    }

    func tell() {
        for answer in entries { Self.tell(answer) }
        for record in records {
            let state = record.state == "live" ? "" : ", \(record.state)"
            print(
                "index \(record.logIndex)  \((record.integratedAt ?? record.loggedAt).apiText)  \(record.identity ?? "")\(state)"
            )
            Console.table([("log", record.log)] + record.lines, indent: "  ")
        }
        for one in unread { print("unread \(one.name)\n  \(one.observed) [\(one.code)]") }
        let number = countIsCapped ? "more than \(count)" : "\(count)"
        let shown = entries.count + records.count
        // a log's index has no order: these are any of them
        let order = records.isEmpty && scanned == nil ? ", which need not be the newest" : ""
        print(
            "Found \(number) \(count == 1 && !countIsCapped ? "entry" : "entries")\(what.isEmpty ? "" : " \(what)")"
                + (shown < count ? "; \(shown) shown\(order)" : "") + ".")
        if let scanned {
            print(
                "Read \(scanned.read) of the log's entries"
                    + (scanned.read == 0 ? "" : ", from \(scanned.from) to \(scanned.to - 1)")
                    + (scanned.untold == 0 ? "." : "; \(scanned.untold) are of kinds that say nothing to us."))
        }
        if undetermined == true { print("There may be more: not all that is attached to the image could be read.") }
    }

    private static func tell(_ answer: LogEntryReport) {
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
