import FoundationEssentials
import Hummingbird
import OpenSSL

/// `GET /v1/logs`: the logs that our tables know, with how many entries of ours they have and what they said last. No log is
/// asked.
struct LogsController: RouteSet {
    let records: LogRecords
    let authority: Authority

    func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/logs") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            return try Response.json(Answer(logs: try await records.known().map(LogAnswer.init)))
        }
    }

    private struct Answer: Encodable {
        let logs: [LogAnswer]
    }
}

/// One of them, as the API shows it.
private struct LogAnswer: Encodable {
    struct Entries: Encodable {
        let logID: String
        let count: Int
        let countIsCapped: Bool
        let newestIndex: Int64
        let newestAt: Date

        enum CodingKeys: String, CodingKey {
            case count
            case logID = "log_id"
            case countIsCapped = "count_is_capped"
            case newestIndex = "newest_index"
            case newestAt = "newest_at"
        }
    }

    struct Tree: Encodable {
        let origin: String
        let newest: StoredCheckpointAnswer
        let proven: StoredCheckpointAnswer?
        let waiting: Int
    }

    let log: String
    let entries: [Entries]
    let trees: [Tree]
    let alarm: String?

    init(_ known: KnownLog) {
        log = known.log
        entries = known.entries.map { entries in
            Entries(
                logID: entries.logID, count: min(entries.count, LogEntryRecords.countLimit),
                countIsCapped: entries.count > LogEntryRecords.countLimit, newestIndex: entries.newestIndex,
                newestAt: entries.newestAt)
        }
        trees = known.trees.map { tree in
            Tree(
                origin: tree.origin, newest: StoredCheckpointAnswer(tree.newest),
                proven: tree.proven.map(StoredCheckpointAnswer.init), waiting: tree.waiting)
        }
        alarm = known.alarm
    }
}

/// A checkpoint that is stored, as the API shows it.
struct StoredCheckpointAnswer: Encodable {
    let size: Int64
    /// Hex.
    let rootHash: String
    let seenAt: Date
    /// When it was proven to lie in the log's history; absent before.
    let provenAt: Date?
    /// The signed note, by which anybody can check it.
    let note: String

    enum CodingKeys: String, CodingKey {
        case size, note
        case rootHash = "root_hash"
        case seenAt = "seen_at"
        case provenAt = "proven_at"
    }

    init(_ stored: StoredCheckpoint) {
        size = stored.size
        rootHash = Hex.encode(stored.rootHash)
        seenAt = stored.seenAt
        provenAt = stored.provenAt
        note = stored.note
    }
}
