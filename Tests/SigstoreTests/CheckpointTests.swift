import FoundationEssentials
import OpenSSL
import Testing

@testable import Sigstore

@Suite struct CheckpointTests {
    static let root = Base64.encode([UInt8](repeating: 7, count: 32))
    static let signature = "\u{2014} log.example " + Base64.encode([1, 2, 3, 4, 5, 6])

    @Test func `a note is read, its text ends with a newline, witnesses included`() throws {
        let text = "log.example - 1\n5\n\(Self.root)\nextension\n"
        let checkpoint = try Checkpoint(
            note: "\(text)\n\(Self.signature)\n\u{2014} witness \(Base64.encode([9, 9, 9, 9, 9]))\n")
        #expect(checkpoint.origin == "log.example - 1")
        #expect(checkpoint.size == 5)
        #expect(checkpoint.rootHash == [UInt8](repeating: 7, count: 32))
        #expect(checkpoint.signedText == Array(text.utf8))
        #expect(checkpoint.signatures.map(\.name) == ["log.example", "witness"])
        #expect(checkpoint.signatures[0].keyHint == [1, 2, 3, 4])
        let note = Checkpoint.note(
            text: Checkpoint.text(origin: "o", size: 1, rootHash: checkpoint.rootHash), name: "n",
            keyHint: [1, 2, 3, 4],
            signature: [5])
        #expect(try Checkpoint(note: note).signatures == [.init(name: "n", keyHint: [1, 2, 3, 4], signature: [5])])
    }

    /// A log whose id is the hash of its key (Rekor v1), or that of its note key (tiles).
    private static func log(_ key: PrivateKey, tiledAs name: String? = nil) -> TrustedLog {
        let (spki, raw) = (key.publicKey.spki, key.publicKey.ed25519Bytes ?? [])
        return TrustedLog(
            baseURL: "https://log.example:3000",
            logID: name.map { NoteKey.id(name: $0, type: NoteKey.ed25519, key: raw) } ?? Hash.sha256(spki),
            keyBytes: spki, key: key.publicKey, keyDetails: "",
            validity: ValidityWindow(start: .distantPast, end: nil))
    }

    private static func hinted(_ log: TrustedLog) -> [UInt8] { log.checkpointKeyID ?? log.logID }

    private static func isTaken(_ log: TrustedLog, _ key: PrivateKey, origin: String, name: String) throws -> Bool {
        let text = Checkpoint.text(origin: origin, size: 5, rootHash: [UInt8](repeating: 7, count: 32))
        let note = Checkpoint.note(
            text: text, name: name, keyHint: Array(hinted(log).prefix(4)), signature: try key.sign(text))
        do {
            _ = try CheckpointVerifier(logs: { [log] }).verify(try Checkpoint(note: note))
            return true
        } catch SigstoreError.malformed { return false }
    }

    @Test(arguments: [KeyAlgorithm.ecdsaP256, .ecdsaP384, .ed25519])
    func `a Rekor v1 log's origin names its tree, whatever kind of key it has`(algorithm: KeyAlgorithm) throws {
        let key = try PrivateKey.generate(algorithm)
        let log = Self.log(key)
        #expect(try Self.isTaken(log, key, origin: "rekor.example - 1193050959916656506", name: "rekor.example"))
        #expect(try !Self.isTaken(log, key, origin: "other.example - 1193050959916656506", name: "rekor.example"))
        let stranger = try PrivateKey.generate(algorithm)
        #expect(try !Self.isTaken(log, stranger, origin: "rekor.example - 1", name: "rekor.example"))
    }

    @Test func `a tiled log's origin is its name, and no tree of that name is it`() throws {
        let key = try PrivateKey.generate(.ed25519)
        let log = Self.log(key, tiledAs: "rekor.example")
        #expect(try Self.isTaken(log, key, origin: "rekor.example", name: "rekor.example"))
        for (origin, name) in [("rekor.example - 1", "rekor.example"), ("other.example", "other.example")] {
            #expect(try !Self.isTaken(log, key, origin: origin, name: name))
        }
        // under another id its name must be the host of its URL; what looks like a tree must be a number
        let known = Self.log(key)
        #expect(try Self.isTaken(known, key, origin: "log.example", name: "log.example"))
        for origin in ["rekor.example", "rekor.example - ", "rekor.example - 1a", "rekor.example - x - 1"] {
            #expect(try !Self.isTaken(known, key, origin: origin, name: "rekor.example"))
        }
    }

    @Test func `a log whose checkpoints have a key id of their own is known by that`() throws {
        let key = try PrivateKey.generate(.ed25519)
        var log = Self.log(key)
        log.checkpointKeyID = Self.log(key, tiledAs: "rekor.example").logID
        #expect(try Self.isTaken(log, key, origin: "rekor.example", name: "rekor.example"))
        #expect(try !Self.isTaken(log, key, origin: "other.example", name: "other.example"))
        #expect(try !Self.isTaken(log, key, origin: "rekor.example - 1", name: "rekor.example"))
    }

    @Test(arguments: [
        "", "\n\n", "log\n5\n\(root)\n", "log\n5\n\(root)\n\n", "log\n5\n\(root)\n\n\(signature)",
        "5\n\(root)\n\n\(signature)\n",
        "log\n05\n\(root)\n\n\(signature)\n", "log\n-5\n\(root)\n\n\(signature)\n", "log\n5\nAAAA\n\n\(signature)\n",
        "log\n\(root)\n\n\(signature)\n", "log\n5\n\n\(signature)\n", "log\n5\n\(root)\n\n- log.example AQIDBAUG\n",
        "log\n5\n\(root)\n\n\u{2014} log.example AQIDBA==\n", "log\n5\n\(root)\n\n\u{2014} log.example  AQIDBAUG\n",
        "log\n5\r\n\(root)\n\n\(signature)\n", "log\n18446744073709551616\n\(root)\n\n\(signature)\n",
        // 2^63: no index is that large
        "log\n9223372036854775808\n\(root)\n\n\(signature)\n",
        "log\n5\n\(root)\n\(String(repeating: "\u{315}", count: 31))\n\n\(signature)\n",
    ])
    func `a malformed note is refused`(note: String) {
        #expect(throws: SigstoreError.self) { try Checkpoint(note: note) }
    }
}
