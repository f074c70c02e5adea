import Dispatch
import OpenSSL
import Synchronization

/// A Merkle tree whose leaves are on disk before anyone hears of them.
///
/// Appends that come together share one `fdatasync` (group commit). An entry gets its index only when it is durable, so
/// no checkpoint ever covers a leaf that a crash could take back.
final class DurableLog: Sendable {
    /// One leaf as stored.
    struct Entry: Sendable {
        /// Seconds or milliseconds, as the log that owns the tree counts.
        let time: Int64
        let leaf: [UInt8]
        /// What the owner wants back beside the leaf (search keys, a certificate chain).
        let extra: [UInt8]
    }

    /// What became of an append.
    struct Appended: Sendable {
        let index: Int
        let time: Int64
        /// The same leaf was there before.
        let isDuplicate: Bool
    }

    /// The log takes nothing more.
    struct Closed: Error {}

    private struct Inbox: Sendable {
        var pending: [Pending] = []
        var isClosed = false
    }

    private struct Pending: Sendable {
        let entry: Entry
        let hash: [UInt8]
        let key: LeafHash
        let continuation: CheckedContinuation<Appended, any Error>
    }

    private struct State {
        var tree = MerkleTree()
        var places: [(offset: Int, count: Int, time: Int64)] = []
        var indexes: [LeafHash: Int] = [:]

        mutating func add(_ hash: [UInt8], _ key: LeafHash, _ place: (offset: Int, count: Int, time: Int64)) {
            indexes[key] = places.count
            places.append(place)
            tree.append(leafHash: hash)
        }
    }

    private let file: LogFile
    private let queue: DispatchQueue
    private let state: Mutex<State>
    private let inbox = Mutex(Inbox())

    /// Continues the log in `path`.
    ///
    /// - Parameter replay: called once for each stored entry, in order.
    /// - Throws: `LabError.storage` if a complete line cannot be read: a log is never repaired silently.
    init(path: String, label: String, replay: (_ index: Int, _ entry: Entry) throws -> Void = { _, _ in }) throws {
        var loaded = State()
        file = try LogFile(path: path) { line, offset in
            guard let entry = Self.decode(line) else {
                throw LabError.storage(path: path, reason: "record \(loaded.places.count) cannot be read")
            }
            let hash = MerkleTree.leafHash(entry.leaf)
            guard let key = LeafHash(hash) else { return }
            try replay(loaded.places.count, entry)
            loaded.add(hash, key, (offset, line.count, entry.time))
        }
        state = Mutex(loaded)
        queue = DispatchQueue(label: label)
    }

    /// Leaves so far.
    var size: Int { state.withLock { $0.tree.count } }

    /// Reads the tree at one moment.
    func withTree<R: Sendable>(_ body: (borrowing MerkleTree) throws -> R) rethrows -> R {
        try state.withLock { try body($0.tree) }
    }

    /// Index of a leaf, by RFC 6962 leaf hash.
    func index(of leafHash: [UInt8]) -> Int? {
        guard let key = LeafHash(leafHash) else { return nil }
        return state.withLock { $0.indexes[key] }
    }

    /// Takes nothing more from now on; what came before is on disk when this returns.
    func close() async {
        refuseAppends()
        await withCheckedContinuation { continuation in
            queue.async {
                self.commit()
                continuation.resume()
            }
        }
    }

    /// Takes nothing more: for a log that was closed before this process began.
    func refuseAppends() { inbox.withLock { $0.isClosed = true } }

    /// Appends a leaf, or finds it: equal leaves are one entry. Returns when it is on disk.
    ///
    /// - Throws: ``Closed`` after ``close()``, and what the disk says.
    func append(_ entry: Entry) async throws -> Appended {
        let hash = MerkleTree.leafHash(entry.leaf)
        guard let key = LeafHash(hash) else { throw LabError.storage(path: "", reason: "not a SHA-256 hash") }
        return try await withCheckedThrowingContinuation { continuation in
            let pending = Pending(entry: entry, hash: hash, key: key, continuation: continuation)
            let place = inbox.withLock { inbox -> Int? in
                guard !inbox.isClosed else { return nil }
                inbox.pending.append(pending)
                return inbox.pending.count
            }
            switch place {
            case nil: continuation.resume(throwing: Closed())
            case 1: queue.async { self.commit() }
            default: break
            }
        }
    }

    /// The entry at `index`, from disk.
    func entry(at index: Int) async throws -> Entry? {
        guard let place = state.withLock({ $0.places.indices.contains(index) ? $0.places[index] : nil }) else {
            return nil
        }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async {
                continuation.resume(
                    with: Result {
                        let line = try self.file.read(at: place.offset, count: place.count)
                        guard let entry = Self.decode(line[...]) else {
                            throw LabError.storage(path: "log", reason: "record \(index) cannot be read")
                        }
                        return entry
                    })
            }
        }
    }

    /// Writes all that waits with one sync; runs on the queue only.
    private func commit() {
        let batch = inbox.withLock { inbox in
            defer { inbox.pending = [] }
            return inbox.pending
        }
        var lines: [UInt8] = []
        var fresh: [LeafHash: (line: Int, count: Int)] = [:]
        let known = state.withLock { state in batch.map { state.indexes[$0.key] } }
        for (pending, index) in zip(batch, known) where index == nil && fresh[pending.key] == nil {
            let line = Self.encode(pending.entry)
            fresh[pending.key] = (lines.count, line.count - 1)
            lines += line
        }
        let base = file.size
        do {
            if !lines.isEmpty { try file.append(lines) }
        } catch {
            for pending in batch { pending.continuation.resume(throwing: error) }
            return
        }
        let appended = state.withLock { state in
            batch.map { pending -> Appended in
                if let index = state.indexes[pending.key] {
                    return Appended(index: index, time: state.places[index].time, isDuplicate: true)
                }
                let place = fresh[pending.key] ?? (0, 0)
                state.add(pending.hash, pending.key, (base + place.line, place.count, pending.entry.time))
                return Appended(index: state.places.count - 1, time: pending.entry.time, isDuplicate: false)
            }
        }
        for (pending, result) in zip(batch, appended) { pending.continuation.resume(returning: result) }
    }

    private static func encode(_ entry: Entry) -> [UInt8] {
        Array("\(entry.time) \(entry.leaf.base64) \(entry.extra.base64)\n".utf8)
    }

    private static func decode(_ line: ArraySlice<UInt8>) -> Entry? {
        let fields = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count == 3, let time = Int64(fields[0]), let leaf = [UInt8](base64: fields[1]),
            let extra = [UInt8](base64: fields[2])
        else { return nil }
        return Entry(time: time, leaf: leaf, extra: extra)
    }
}
