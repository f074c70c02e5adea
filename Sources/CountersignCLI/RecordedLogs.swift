import ArgumentParser
import Countersign
import FoundationEssentials
import OpenSSL
import Sigstore

/// The logs that the daemon knows (`GET /v1/logs`), and what was found when their checkpoints were judged here.
struct RecordedLogs: Codable {
    struct Log: Codable {
        struct Tree: Codable {
            let origin: String
            let newest: Received<StoredCheckpointAnswer>
            let proven: Received<StoredCheckpointAnswer>?
            let waiting: Int
            /// The log of the trusted root that signed the newest checkpoint; and why it does not verify. Both absent where nobody
            /// was trusted.
            var signedBy: String?
            var problem: String?
        }

        let log: String
        let entries: [Received<LogAnswer.Entries>]
        var trees: [Tree]
        let alarm: String?
    }
    var logs: [Log]
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
                        ("entries", "\(count) of ours under key \(entries.logID)"),
                        ("newest", "index \(entries.newestIndex), \(entries.newestAt.apiText)"),
                    ], indent: "  ")
            }
            for tree in log.trees { Self.tell(tree) }
        }
    }

    private static func tell(_ tree: Log.Tree) {
        print("  tree \(tree.origin)")
        var lines = [
            ("stored", "\(tree.newest.size) leaves, seen \(tree.newest.seenAt.apiText)"),
            ("root", tree.newest.rootHash),
        ]
        if let log = tree.signedBy { lines.append(("signed by", "\(log), verified")) }
        if let problem = tree.problem { lines.append(("NOT VERIFIED", problem)) }
        lines.append(
            ("proven", tree.proven.map { "\($0.size) leaves, \($0.provenAt?.apiText ?? "")" } ?? "nothing yet"))
        if tree.waiting > 0 { lines.append(("waiting", "\(tree.waiting) checkpoints, for their proof")) }
        Console.table(lines, indent: "    ")
    }
}
