package import FoundationEssentials
import OpenSSL

/// A log that our tables know, as the API shows it.
package struct LogAnswer: Codable, Sendable {
    package struct Entries: Codable, Sendable {
        package let logID: String
        package let count: Int
        package let countIsCapped: Bool
        package let newestIndex: Int64
        package let newestAt: Date

        enum CodingKeys: String, CodingKey {
            case count
            case logID = "log_id"
            case countIsCapped = "count_is_capped"
            case newestIndex = "newest_index"
            case newestAt = "newest_at"
        }
    }

    package struct Tree: Codable, Sendable {
        package let origin: String
        package let newest: StoredCheckpointAnswer
        package let proven: StoredCheckpointAnswer?
        package let waiting: Int
    }

    package let log: String
    package let entries: [Entries]
    package let trees: [Tree]
    package let alarm: String?

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
package struct StoredCheckpointAnswer: Codable, Sendable {
    package let size: Int64
    /// Hex.
    package let rootHash: String
    package let seenAt: Date
    /// When it was proven to lie in the log's history; absent before.
    package let provenAt: Date?
    /// The signed note, by which anybody can check it.
    package let note: String

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

/// What is stored of the checkpoint that an entry came with, and of its tree since.
package struct EntryCheckpointAnswer: Codable, Sendable {
    /// Absent for an entry that brought no checkpoint.
    package var origin: String?
    /// Of the same size. Absent if none is stored, any more or yet.
    package var stored: StoredCheckpointAnswer?
    /// The largest of the tree that is proven.
    package var newest: StoredCheckpointAnswer?
    /// What an open alarm says of the log.
    package var alarm: String?
}
