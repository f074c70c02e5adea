import Dispatch
import FoundationEssentials
import OpenSSL
import Synchronization

/// One shard of a Rekor v2: leaves on disk at once, a signed checkpoint over them at intervals.
///
/// An append is answered when a *published* checkpoint covers it; all that came within one interval share that
/// checkpoint. The last one is kept beside the leaves, so that a restart never shows an older tree than it did before.
final class TiledLog: Sendable {
    /// A published head of the tree.
    struct Head: Sendable {
        let size: Int
        let root: [UInt8]
        /// The signed note.
        let checkpoint: String
        let isFrozen: Bool
    }

    /// A leaf and the published head that covers it.
    struct Logged: Sendable {
        let index: Int
        let body: [UInt8]
        let head: Head
        let proof: [[UInt8]]
    }

    private struct State {
        var head: Head
        var isScheduled = false
        var waiting: [(index: Int, continuation: CheckedContinuation<Head, any Error>)] = []
    }

    /// Longest leaf: entry bundles count bytes in 16 bits (C2SP tlog-tiles).
    static let maxLeafBytes = 65_535
    private static let frozenLine = "Log frozen \u{2014} "

    let publicKey: PublicKey
    /// SHA-256 of name and key, as signed notes name keys (not of the SPKI, as Rekor v1 has it).
    let logID: [UInt8]
    private let log: DurableLog
    private let signer: NoteSigner
    private let witnesses: [NoteSigner]
    private let interval: Duration
    private let checkpointPath: String
    private let queue = DispatchQueue(label: "lab.rekor2.checkpoint")
    private let began = ContinuousClock.now
    private let state: Mutex<State>

    /// Continues the shard in `path`; leaves that no checkpoint covered yet are covered now.
    ///
    /// - Parameter origin: the log's name for itself; verifiers expect the host of its URL.
    /// - Throws: `LabError.storage` if the kept checkpoint is not one of this tree.
    init(path: String, key: PrivateKey, origin: String, interval: Duration, witnesses: [NoteSigner]) throws {
        log = try DurableLog(path: path, label: "lab.rekor2")
        signer = try NoteSigner(name: origin, role: .log, key: key)
        (self.witnesses, self.interval) = (witnesses, interval)
        publicKey = key.publicKey
        logID = signer.keyID
        checkpointPath = "\(path).checkpoint"
        let note = try AtomicFile.read(checkpointPath)
        let kept = try note.map { [log, checkpointPath] in try Self.head(reading: $0 + "\n", of: log, checkpointPath) }
        state = Mutex(State(head: kept ?? Head(size: -1, root: [], checkpoint: "", isFrozen: false)))
        if kept?.size != log.size { try publish(isFrozen: kept?.isFrozen ?? false) }
        if kept?.isFrozen == true { log.refuseAppends() }
    }

    /// Leaves on disk, also those that no checkpoint covers yet.
    var size: Int { log.size }

    /// The last published head.
    var head: Head { state.withLock { $0.head } }

    /// Logs a leaf; returns when a published checkpoint covers it.
    ///
    /// - Throws: `TiledRefusal.duplicate` (then, too, only when a checkpoint covers it), `TiledRefusal.frozen`.
    func append(_ leaf: [UInt8], now: Date) async throws -> Logged {
        let appended: DurableLog.Appended
        do {
            appended = try await log.append(.init(time: Int64(now.timeIntervalSince1970), leaf: leaf, extra: []))
        } catch is DurableLog.Closed {
            throw TiledRefusal.frozen
        }
        let head = try await head(covering: appended.index)
        guard !appended.isDuplicate else { throw TiledRefusal.duplicate(index: appended.index) }
        let proof = log.withTree { $0.inclusionProof(index: appended.index, size: head.size) }
        return Logged(index: appended.index, body: leaf, head: head, proof: proof)
    }

    /// Takes nothing more; the last checkpoint says so in an extension line, as rekor-tiles' freeze-checkpoint does.
    func freeze() async throws {
        await log.close()
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            queue.async { continuation.resume(with: Result { try self.publish(isFrozen: true) }) }
        }
    }

    /// The bytes of a tile; `nil` if the tree does not reach so far.
    func tile(_ path: TilePath) async throws -> [UInt8]? {
        let first = path.index * TilePath.fullWidth
        switch path.content {
        case .hashes(let level):
            return log.withTree { $0.nodes(level: 8 * level, first..<first + path.width) }
        case .entries:
            guard first + path.width <= log.size else { return nil }
            var bundle: [UInt8] = []
            for index in first..<first + path.width {
                guard let leaf = try await log.entry(at: index)?.leaf else { return nil }
                bundle += [UInt8(truncatingIfNeeded: leaf.count >> 8), UInt8(truncatingIfNeeded: leaf.count)] + leaf
            }
            return bundle
        }
    }

    private func head(covering index: Int) async throws -> Head {
        try await withCheckedThrowingContinuation { continuation in
            let known = state.withLock { state -> Head? in
                if state.head.size > index { return state.head }
                state.waiting.append((index, continuation))
                scheduleUnlessDone(&state)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Publishes at the next multiple of the interval since the start, as a ticking publisher would.
    private func scheduleUnlessDone(_ state: inout State) {
        guard !state.isScheduled else { return }
        state.isScheduled = true
        let seconds = max(interval / .seconds(1), 0)
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        let wait = seconds > 0 ? seconds - elapsed.truncatingRemainder(dividingBy: seconds) : 0
        queue.asyncAfter(deadline: .now() + wait) {
            do { try self.publish(isFrozen: self.head.isFrozen) } catch { self.fail(error) }
        }
    }

    /// Signs the tree as it is, keeps the checkpoint, and only then tells it; runs on the queue (or in `init`).
    private func publish(isFrozen: Bool) throws {
        let (size, root) = log.withTree { ($0.count, $0.root(size: $0.count)) }
        let now = Date()
        var text = "\(signer.name)\n\(size)\n\(root.base64)\n"
        if isFrozen { text += Self.frozenLine + now.formatted(.iso8601) + "\n" }
        let signed = Array(text.utf8)
        let lines = try ([signer] + witnesses).map { try $0.line(for: signed, now: now) }
        let head = Head(
            size: size, root: root, checkpoint: text + "\n" + lines.joined(), isFrozen: isFrozen)
        try AtomicFile.write(head.checkpoint, to: checkpointPath)
        let served = state.withLock { state in
            state.head = head
            state.isScheduled = false
            let served = state.waiting.filter { $0.index < size }
            state.waiting.removeAll { $0.index < size }
            if !state.waiting.isEmpty { scheduleUnlessDone(&state) }
            return served
        }
        for waiter in served { waiter.continuation.resume(returning: head) }
    }

    private func fail(_ error: any Error) {
        let waiting = state.withLock { state in
            defer { (state.waiting, state.isScheduled) = ([], false) }
            return state.waiting
        }
        for waiter in waiting { waiter.continuation.resume(throwing: error) }
    }

    private static func head(reading note: String, of log: DurableLog, _ path: String) throws -> Head {
        let lines = note.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > 3, let size = Int(lines[1]), let root = [UInt8](base64: lines[2]), size <= log.size,
            log.withTree({ $0.root(size: size) }) == root
        else { throw LabError.storage(path: path, reason: "is no checkpoint of this tree") }
        return Head(size: size, root: root, checkpoint: note, isFrozen: lines[3].hasPrefix(frozenLine))
    }
}
