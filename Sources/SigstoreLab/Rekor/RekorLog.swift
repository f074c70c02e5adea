import FoundationEssentials
import OpenSSL
import Synchronization

/// The transparency log: canonical bodies in a Merkle tree, signed heads, signed entry timestamps, a search index.
final class RekorLog: Sendable {
    let publicKey: PublicKey
    /// SHA-256 of the SPKI: `logID` in hex on the wire, base64 in bundles.
    let logID: [UInt8]
    /// Positive, so that its 16 hex digits begin every UUID.
    let treeID: Int64
    /// Entries of the shards before this one: what `logIndex` counts from.
    let firstIndex: Int
    private let log: DurableLog
    private let key: PrivateKey
    private let host: String
    private let found: Mutex<[String: [Int]]>

    init(path: String, key: PrivateKey, treeID: Int64, firstIndex: Int = 0, host: String) throws {
        var index: [String: [Int]] = [:]
        log = try DurableLog(path: path, label: "lab.rekor") { position, entry in
            for name in Self.searchKeys(entry.extra) { index[name, default: []].append(position) }
        }
        found = Mutex(index)
        self.key = key
        self.treeID = treeID
        self.firstIndex = firstIndex
        self.host = host
        publicKey = key.publicKey
        logID = Hash.sha256(key.publicKey.spki)
    }

    /// Entries so far.
    var size: Int { log.size }

    /// Logs an entry; returns it when it is durable.
    ///
    /// - Throws: `RekorRefusal.duplicate` if the same canonical body is there already.
    func append(_ entry: ProposedEntry, now: Date) async throws -> LoggedEntry {
        let extra = Array(Set(entry.searchKeys).sorted().joined(separator: "\n").utf8)
        let time = Int64(now.timeIntervalSince1970)
        let appended = try await log.append(.init(time: time, leaf: entry.canonicalBody, extra: extra))
        guard !appended.isDuplicate else {
            throw RekorRefusal.duplicate(uuid: uuid(MerkleTree.leafHash(entry.canonicalBody)))
        }
        found.withLock { found in
            for name in Set(entry.searchKeys) { found[name, default: []].append(appended.index) }
        }
        return try logged(body: entry.canonicalBody, index: appended.index, time: appended.time)
    }

    /// Takes nothing more.
    func close() async { await log.close() }

    /// The entry at `index` (over all shards), with a proof for the tree as it is now.
    func entry(at index: Int) async throws -> LoggedEntry? { try await entry(atLeaf: index - firstIndex) }

    private func entry(atLeaf index: Int) async throws -> LoggedEntry? {
        guard let stored = try await log.entry(at: index) else { return nil }
        return try logged(body: stored.leaf, index: index, time: stored.time)
    }

    /// The entry of a UUID: tree id and leaf hash (80 hex digits), or the leaf hash alone (64).
    func entry(uuid: String) async throws -> LoggedEntry? {
        guard uuid.utf8.count == 64 || (uuid.utf8.count == 80 && uuid.lowercased().hasPrefix(treePrefix)),
            let hash = [UInt8](hex: uuid.suffix(64)), let index = log.index(of: hash)
        else { return nil }
        return try await entry(atLeaf: index)
    }

    /// UUIDs of the entries that bear a search key (`sha256:…`, an e-mail address, a key's fingerprint).
    func uuids(for searchKey: String) -> [String] {
        let indexes = found.withLock { $0[searchKey.lowercased()] ?? [] }
        return log.withTree { tree in indexes.map { uuid(tree.leafHash(at: $0)) } }
    }

    func uuid(_ leafHash: [UInt8]) -> String { treePrefix + leafHash.hex }

    /// Root and signed checkpoint of the tree as it is now.
    func head() throws -> (size: Int, root: [UInt8], checkpoint: String) {
        let (size, root) = log.withTree { ($0.count, $0.root(size: $0.count)) }
        return (size, root, try checkpoint(size: size, root: root))
    }

    func consistencyProof(first: Int, second: Int) -> [[UInt8]] {
        log.withTree { $0.consistencyProof(first: first, second: second) }
    }

    private var treePrefix: String {
        let digits = String(UInt64(bitPattern: treeID), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private func logged(body: [UInt8], index: Int, time: Int64) throws -> LoggedEntry {
        let hash = MerkleTree.leafHash(body)
        let (size, root, proof) = log.withTree { tree in
            (tree.count, tree.root(size: tree.count), tree.inclusionProof(index: index, size: tree.count))
        }
        let promise = LoggedEntry.Promise(
            body: body.base64, integratedTime: time, logID: logID.hex, logIndex: firstIndex + index)
        return LoggedEntry(
            uuid: uuid(hash), promise: promise,
            verification: .init(
                inclusionProof: .init(
                    checkpoint: try checkpoint(size: size, root: root), hashes: proof.map(\.hex), logIndex: index,
                    rootHash: root.hex, treeSize: size),
                signedEntryTimestamp: try key.sign(try canonicalJSON(promise)).base64))
    }

    /// A note in the format of `golang.org/x/mod/sumdb/note`; an ECDSA key's hint is the start of SHA-256(SPKI).
    private func checkpoint(size: Int, root: [UInt8]) throws -> String {
        let text = "\(host) - \(treeID)\n\(size)\n\(root.base64)\n"
        let signature = Array(logID.prefix(4)) + (try key.sign(Array(text.utf8)))
        return "\(text)\n\u{2014} \(host) \(signature.base64)\n"
    }

    private static func searchKeys(_ extra: [UInt8]) -> [String] {
        String(decoding: extra, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
