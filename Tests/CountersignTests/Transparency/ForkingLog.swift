import Countersign
import FoundationEssentials
import OpenSSL
import Synchronization

@testable import Sigstore

/// A log of one tree that can tell different people different things.
final class ForkingLog: LogReader, TransparencyLog {
    let origin: String
    var id: String { "https://\(origin)" }
    let api = RekorAPI.v2
    let key: PrivateKey
    let log: TrustedLog
    private let state = Mutex(State())

    private struct State {
        var leaves: [[UInt8]] = []
        var submitted = 0
        var served: Checkpoint?
        var proofs: Int?
        var isAltered = false
    }

    var submissions: Int { state.withLock(\.submitted) }
    var verifier: CheckpointVerifier { CheckpointVerifier(logs: { [log] in [log] }) }

    init(_ origin: String = "log.example") throws {
        self.origin = origin
        key = try PrivateKey.generate(.ed25519)
        let raw = key.publicKey.ed25519Bytes ?? []
        log = TrustedLog(
            baseURL: "https://\(origin)", logID: NoteKey.id(name: origin, type: NoteKey.ed25519, key: raw),
            keyBytes: key.publicKey.spki, key: key.publicKey, keyDetails: "PKIX_ED25519",
            validity: ValidityWindow(start: .distantPast, end: nil))
    }

    /// Appends leaves of this history.
    func grow(to size: Int, history: UInt8 = 0) {
        state.withLock { state in
            while state.leaves.count < size {
                let index = state.leaves.count
                state.leaves.append(Merkle.leafHash([history, UInt8(index >> 8), UInt8(index & 0xff)]))
            }
        }
    }

    /// Another history from this leaf on.
    func fork(at size: Int, to newSize: Int) {
        state.withLock { $0.leaves = Array($0.leaves.prefix(size)) }
        grow(to: newSize, history: 1)
    }

    /// A checkpoint of the present tree, or of its first leaves.
    func checkpoint(_ size: Int? = nil) throws -> Checkpoint {
        let leaves = state.withLock { $0.leaves }.prefix(size ?? .max)
        let text = Checkpoint.text(
            origin: origin, size: UInt64(leaves.count), rootHash: Merkle.merkleTreeHash(leaves))
        return try Checkpoint(
            note: Checkpoint.note(
                text: text, name: origin, keyHint: Array(log.logID.prefix(4)), signature: key.sign(text)))
    }

    /// What is shown instead of the newest.
    func serve(_ checkpoint: Checkpoint?) { state.withLock { $0.served = checkpoint } }

    /// How many proofs it gives before it answers none any more; nil: as many as are asked for.
    func allow(proofs: Int?) { state.withLock { $0.proofs = proofs } }

    /// Whether somebody on the way alters its proofs.
    func alter(_ isAltered: Bool) { state.withLock { $0.isAltered = isAltered } }

    func checkpoints() async throws(SigstoreError) -> [Checkpoint] {
        if let served = state.withLock(\.served) { return [served] }
        do { return [try checkpoint()] } catch { throw .malformed("test log", "\(error)") }
    }

    func entry(index: Int64) async throws(SigstoreError) -> TlogEntry? { nil }

    func consistencyProof(from first: Checkpoint, to second: Checkpoint) async throws(SigstoreError) -> [[UInt8]] {
        let isAnswered = state.withLock { state in
            guard let left = state.proofs else { return true }
            state.proofs = max(0, left - 1)
            return left > 0
        }
        guard isAnswered else { throw .unavailable(.rekor, detail: "busy", retryAfter: nil, answerMayBeLost: false) }
        let (leaves, isAltered) = state.withLock { ($0.leaves, $0.isAltered) }
        guard leaves.count >= second.size else {
            throw .badAnswer(.rekor, detail: "a tree of \(leaves.count)", answerMayBeLost: false)
        }
        let proof = Merkle.consistencyProof(Int(first.size), leaves.prefix(Int(second.size)))
        return isAltered ? proof.dropLast() + [Array(repeating: 7, count: 32)] : proof
    }

    func request(for submission: LogSubmission) throws(SigstoreError) -> [UInt8] { [] }

    func submit(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry {
        state.withLock { $0.submitted += 1 }
        guard let checkpoint = try await checkpoints().first else { throw .unsupported("no checkpoint") }
        return TlogEntry(
            logIndex: 0, logID: log.logID, kind: "hashedrekord", version: "0.0.2", integratedTime: 0,
            inclusionPromise: nil,
            inclusionProof: TlogEntry.InclusionProof(
                logIndex: 0, rootHash: checkpoint.rootHash, treeSize: Int64(checkpoint.size), hashes: [],
                checkpoint: checkpoint.note), canonicalizedBody: [])
    }

    func lookup(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry? { nil }
}

/// A log of several trees, of which the first takes entries.
struct ForkingTrees: LogReader {
    let trees: [ForkingLog]

    var id: String { trees[0].id }
    var verifier: CheckpointVerifier { CheckpointVerifier(logs: { [trees] in trees.map(\.log) }) }

    func checkpoints() async throws(SigstoreError) -> [Checkpoint] {
        var checkpoints: [Checkpoint] = []
        for tree in trees { checkpoints += try await tree.checkpoints() }
        return checkpoints
    }

    func entry(index: Int64) async throws(SigstoreError) -> TlogEntry? { nil }

    func consistencyProof(from first: Checkpoint, to second: Checkpoint) async throws(SigstoreError) -> [[UInt8]] {
        guard let tree = trees.first(where: { $0.origin == second.origin }) else { throw .unsupported("another tree") }
        return try await tree.consistencyProof(from: first, to: second)
    }
}
