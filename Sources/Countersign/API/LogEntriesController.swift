import FoundationEssentials
import Hummingbird
import OCI
import OpenSSL
import Sigstore

/// `GET /v1/log-entries`: our entries in the logs, by who signed, for what, when, and where they are. Newest first, by pages.
struct LogEntriesController: RouteSet {
    let entries: LogEntryRecords
    let logs: LogRecords
    let artifacts: ArtifactRecords
    let registries: [RegistryConfiguration]
    let authority: Authority

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/log-entries") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            let reference = try request.parameter("ref").map { text throws(Problem) in
                try RequestedReference(text, registries: registries, isWholeRepositoryMeant: true)
            }
            if let reference {
                try authority.confine(principal, to: reference.repository)
            } else if principal?.scope != nil {
                throw authority.refusal(
                    .forbidden, "api.out_of_scope", "the token is confined to some repositories: say which with 'ref'")
            }
            var filter = try await filter(request, about: reference)
            filter.types = principal?.scope?.onlyTypes
            let page = try await entries.entries(
                filter, before: try request.cursor(),
                limit: try Self.limit(request))
            let count = try await entries.count(filter)
            return try Response.json(
                Answer(
                    count: min(count, LogEntryRecords.countLimit), countIsCapped: count > LogEntryRecords.countLimit,
                    entries: page.items.compactMap { $0.within(principal?.scope).map { LogEntryAnswer($0) } },
                    next: page.next))
        }
        router.get("/v1/log-entries/{id}") { request, context in
            try await Response.json(LogEntryAnswer(record(request, context), isWhole: true))
        }
        router.get("/v1/log-entries/{id}/checkpoint") { request, context in
            let record = try await record(request, context)
            let alarm = try await logs.alarm(of: record.log)
            guard let note = (try? TlogEntry(json: record.entry))?.inclusionProof?.checkpoint,
                let own = try? Checkpoint(note: note), let size = Int64(exactly: own.size)
            else { return try Response.json(EntryCheckpointAnswer(alarm: alarm)) }
            let (stored, newest) = try await logs.checkpoint(of: record.log, origin: own.origin, size: size)
            return try Response.json(
                EntryCheckpointAnswer(
                    origin: own.origin, stored: stored.map(StoredCheckpointAnswer.init),
                    newest: newest.map(StoredCheckpointAnswer.init), alarm: alarm))
        }
    }

    /// The entry of the path, if the caller may see it.
    private func record(_ request: Request, _ context: ServiceContext) async throws -> LogEntryRecord {
        let principal = try await authority.identify(.viewer, for: request)
        let text = context.parameters.get("id") ?? ""
        guard let id = Int64(text), let record = try await entries.entry(id)?.within(principal?.scope) else {
            throw Problem(.notFound, "log_entry.unknown", "there is no log entry \(text.prefix(40))")
        }
        return record
    }

    private struct Answer: Encodable {
        let count: Int
        /// Whether there are more than `count`.
        let countIsCapped: Bool
        let entries: [LogEntryAnswer]
        /// Pass as `before` for the next page; absent at the end.
        let next: Int64?

        enum CodingKeys: String, CodingKey {
            case count, entries, next
            case countIsCapped = "count_is_capped"
        }
    }

    private func filter(
        _ request: Request, about reference: RequestedReference?
    ) async throws -> LogEntryRecords.Filter {
        var filter = LogEntryRecords.Filter()
        filter.identity = try request.storableText("identity")
        filter.issuer = try request.storableText("issuer")
        filter.log = try request.storableText("log")
        filter.digest = try request.parameter("digest", "sha256:… or sha512:…") { try? Digest($0) }
        filter.index = try request.parameter("index", "the entry's index in its log") { text in
            Int64(text).flatMap { $0 >= 0 ? $0 : nil }
        }
        filter.uuid = try request.parameter("uuid", "80 hex digits, or the last 64 of them") { text in
            [64, 80].contains(text.utf8.count) && Hex.decode(text) != nil ? text.lowercased() : nil
        }
        filter.from = try request.dayOrTime("from")
        filter.until = try request.dayOrTime("to")
        if let reference {
            filter.repository = reference.repository
            if let digest = try await digest(of: reference) {
                guard filter.digest.map({ $0 == digest }) ?? true else {
                    throw Problem(.badRequest, "api.bad_parameter", "'digest' and 'ref' name different artifacts")
                }
                filter.digest = digest
            }
        }
        return filter
    }

    /// A tag means the digest at which our ledger saw it last: the log knows no tags.
    private func digest(of reference: RequestedReference) async throws -> Digest? {
        if let digest = reference.digest { return digest }
        guard let tag = reference.tag else { return nil }
        guard let digest = try await artifacts.status(ofTag: tag, in: reference.repository)?.digest else {
            throw Problem(.notFound, "artifact.unknown", "no push of \(reference.repository):\(tag) was seen")
        }
        return digest
    }

    private static func limit(_ request: Request) throws(Problem) -> Int {
        try request.parameter("limit", "a number from 1 to 500") { text in
            Int(text).flatMap { (1...500).contains($0) ? $0 : nil }
        } ?? 100
    }
}
