import Sigstore
import Support
import Synchronization

@testable import Countersign

/// Logs that grow, and may be replaced, and switched off then.
final class Shards: Sendable {
    struct Shard: LogFollower {
        let id: String
        let shards: Shards
        let entry: TlogEntry
        /// What keeps this client from reading it.
        var fault: SigstoreError?

        func size() async throws(SigstoreError) -> Int64 {
            shards.asked.withLock { $0[id, default: 0] += 1 }
            if let fault { throw fault }
            guard let size = shards.sizes.withLock({ $0[id] }) else {
                throw .unavailable(.rekor, detail: "switched off", retryAfter: nil, answerMayBeLost: false)
            }
            return size
        }

        func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry] {
            let size = try await size()
            guard !shards.withheld.withLock({ $0.contains(id) }) else {
                throw .refused(.rekor, status: 404, message: "no such tile")
            }
            return (index..<size).prefix(limit).map { index in
                var entry = entry
                entry.logIndex = index
                return entry
            }
        }
    }

    let sizes = Mutex<[String: Int64]>([:])
    let asked = Mutex<[String: Int]>([:])
    let present = Mutex<[Shard]>([])
    /// Those that say how large they are, and give none of their entries.
    let withheld = Mutex<Set<String>>([])

    static let foreign = TlogEntry(
        logIndex: 0, logID: Array(repeating: 1, count: 32), kind: "rekord", version: "0.0.1", integratedTime: 0,
        inclusionPromise: nil, inclusionProof: nil,
        canonicalizedBody: Array(#"{"apiVersion":"0.0.1","kind":"rekord","spec":{}}"#.utf8))

    func shard(_ id: String, fault: SigstoreError? = nil) -> Shard {
        Shard(id: id, shards: self, entry: Self.foreign, fault: fault)
    }

    func use(_ ids: String...) { present.withLock { $0 = ids.map { shard($0) } } }

    var followed: [IdentityMonitor.Followed] {
        present.withLock { present in
            present.map { IdentityMonitor.Followed($0, chosen: $0.id == "https://v1.example" ? .v1 : .v2) }
        }
    }

    /// So many looks at a log go by.
    func looks(_ count: Int, at id: String) async throws {
        let before = asked.withLock { $0[id, default: 0] }
        try await eventually("\(id) is looked at") { asked.withLock { $0[id, default: 0] } >= before + count }
    }
}
