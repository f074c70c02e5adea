import FoundationEssentials

/// Rekor v1 as its clients see it: one log whose indexes run on, however many trees (shards) are behind it.
struct RekorShards: Sendable {
    let lineage: Lineage<RekorLog>

    /// The shard that takes entries.
    var current: RekorLog { lineage.current }

    /// Entries of all shards.
    var size: Int { current.firstIndex + current.size }

    private var all: [RekorLog] { lineage.all.map(\.member) }

    /// Logs an entry in the current shard, which may change while it is asked.
    func append(_ entry: ProposedEntry, now: Date) async throws -> LoggedEntry {
        for _ in 0..<1_000 {
            do {
                return try await current.append(entry, now: now)
            } catch is DurableLog.Closed {
                // between the end of one shard and the start of the next: a key is made and written
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        throw LabError.storage(path: "rekor", reason: "the log was closed and has no next shard")
    }

    /// The entry at an index over all shards.
    func entry(at index: Int) async throws -> LoggedEntry? {
        guard let shard = all.last(where: { $0.firstIndex <= index }) else { return nil }
        return try await shard.entry(at: index)
    }

    /// The entry of a UUID (of the shard that it names) or of a leaf hash (of any).
    func entry(uuid: String) async throws -> LoggedEntry? {
        for shard in all.reversed() {
            if let entry = try await shard.entry(uuid: uuid) { return entry }
        }
        return nil
    }

    /// UUIDs of the entries that bear a search key, the oldest first.
    func uuids(for searchKey: String) -> [String] { all.flatMap { $0.uuids(for: searchKey) } }

    /// The shard of a tree id; the current one without.
    func shard(treeID: String?) -> RekorLog? {
        guard let treeID else { return current }
        return all.first { String($0.treeID) == treeID }
    }

    /// The closed shards, the oldest first.
    var inactive: [RekorLog] { all.dropLast() }
}
