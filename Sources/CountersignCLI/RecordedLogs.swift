import ArgumentParser
import Countersign
import FoundationEssentials
import OpenSSL
import Sigstore

/// What the API says of the logs that the daemon knows (`GET /v1/logs`); the members are the API's.
struct RecordedLogs: Codable {
    struct Log: Codable {
        struct Entries: Codable {
            let logId: String
            let count: Int
            let countIsCapped: Bool
            let newestIndex: Int64
            let newestAt: String
        }

        struct Tree: Codable {
            let origin: String
            let newest: RecordedCheckpoint
            let proven: RecordedCheckpoint?
            let waiting: Int
            /// The log of the trusted root that signed the newest checkpoint; and why it does not verify. Both absent where nobody
            /// was trusted.
            var signedBy: String?
            var problem: String?
        }

        let log: String
        let entries: [Entries]
        var trees: [Tree]
        let alarm: String?
    }
    var logs: [Log]
}

/// A checkpoint that the daemon stored.
struct RecordedCheckpoint: Codable {
    let size: Int64
    let rootHash: String
    let seenAt: String
    let provenAt: String?
    let note: String
}

/// What the daemon stored of the checkpoint that an entry came with (`GET /v1/log-entries/{id}/checkpoint`).
struct RecordedEntryCheckpoint: Codable {
    let origin: String?
    let stored: RecordedCheckpoint?
    let newest: RecordedCheckpoint?
    let alarm: String?
}

extension RecordedLogs {
    /// Whether no log has contradicted itself, and every checkpoint is signed by a trusted log, as far as they were judged.
    var holds: Bool { logs.allSatisfy { log in log.alarm == nil && log.trees.allSatisfy { $0.problem == nil } } }

    /// Holds each newest checkpoint against the keys of the trusted root, and the witnesses of its log.
    mutating func judge(by trusted: TrustedLogs) {
        for log in logs.indices {
            for tree in logs[log].trees.indices {
                do throws(SigstoreError) {
                    let checkpoint = try Checkpoint(note: logs[log].trees[tree].newest.note)
                    logs[log].trees[tree].signedBy = try trusted.verify(checkpoint, of: logs[log].log).log.baseURL
                } catch {
                    logs[log].trees[tree].problem = error.observed
                }
            }
        }
    }

    func tell() {
        for log in logs {
            Console.table([("log", log.log)] + (log.alarm.map { [("ALARM", $0)] } ?? []))
            for entries in log.entries {
                let count = (entries.countIsCapped ? "more than " : "") + "\(entries.count)"
                Console.table(
                    [
                        ("entries", "\(count) of ours under key \(entries.logId)"),
                        ("newest", "index \(entries.newestIndex), \(entries.newestAt)"),
                    ], indent: "  ")
            }
            for tree in log.trees { Self.tell(tree) }
        }
    }

    private static func tell(_ tree: Log.Tree) {
        print("  tree \(tree.origin)")
        var lines = [
            ("stored", "\(tree.newest.size) leaves, seen \(tree.newest.seenAt)"), ("root", tree.newest.rootHash),
        ]
        if let log = tree.signedBy { lines.append(("signed by", "\(log), verified")) }
        if let problem = tree.problem { lines.append(("NOT VERIFIED", problem)) }
        lines.append(
            ("proven", tree.proven.map { "\($0.size) leaves, \($0.provenAt ?? "")" } ?? "nothing yet"))
        if tree.waiting > 0 { lines.append(("waiting", "\(tree.waiting) checkpoints, for their proof")) }
        Console.table(lines, indent: "    ")
    }
}
