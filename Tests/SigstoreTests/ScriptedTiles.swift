import FoundationEssentials
import OpenSSL
import Synchronization

@testable import Sigstore

/// A tiled log that a test grows, as the answers of a ``ScriptedService``.
final class ScriptedTiles: Sendable {
    let key: PrivateKey
    let log: TrustedLog
    private let bodies = Mutex<[[UInt8]]>([])
    /// Leaves under the published checkpoint; later ones are integrated and not published.
    private let published = Mutex(0)
    private static let origin = "localhost"

    init() throws {
        key = try PrivateKey.generate(.ed25519)
        let raw = key.publicKey.ed25519Bytes ?? []
        log = TrustedLog(
            baseURL: "http://localhost", logID: NoteKey.id(name: Self.origin, type: NoteKey.ed25519, key: raw),
            keyBytes: key.publicKey.spki, key: key.publicKey, keyDetails: "PKIX_ED25519",
            validity: ValidityWindow(start: .distantPast, end: nil))
    }

    func append(_ body: [UInt8]) { bodies.withLock { $0.append(body) } }
    func publish() { published.withLock { $0 = bodies.withLock(\.count) } }

    func checkpoint() throws -> String {
        let leaves = bodies.withLock { $0.prefix(published.withLock(\.self)).map(Merkle.leafHash) }
        let text = Checkpoint.text(
            origin: Self.origin, size: UInt64(leaves.count), rootHash: Merkle.merkleTreeHash(leaves[...]))
        return Checkpoint.note(
            text: text, name: Self.origin, keyHint: Array(log.logID.prefix(4)), signature: try key.sign(text))
    }

    /// The file at a path below the tiles' URL, at its full width only if `keepsPartial` is false.
    func file(_ path: String, keepsPartial: Bool = true) -> ScriptedService.Answer {
        if path == "checkpoint" { return (try? .json(200, checkpoint())) ?? .lost }
        let bodies = bodies.withLock(\.self)
        let parts = path.split(separator: "/").map(String.init)
        let partial = path.contains(".p/") ? parts.last.flatMap { Int($0) } : nil
        guard parts.count >= 3, let index = Int(parts[2].prefix(3)) else { return .json(404, "") }
        guard partial == nil || keepsPartial else { return .json(404, "") }
        let width = partial ?? 256
        if parts[1] == "entries" {
            let range = index * 256..<index * 256 + width
            guard range.upperBound <= bodies.count else { return .json(404, "") }
            return .bytes(200, bodies[range].flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xFF)] + $0 })
        }
        guard let level = Int(parts[1]) else { return .json(404, "") }
        let span = 1 << (8 * level)
        let range = (index * 256 * span)..<((index * 256 + width) * span)
        guard range.upperBound <= bodies.count else { return .json(404, "") }
        let leaves = bodies[range].map(Merkle.leafHash)
        return .bytes(
            200, (0..<width).flatMap { Merkle.merkleTreeHash(leaves[($0 * span)..<(($0 + 1) * span)]) })
    }
}
