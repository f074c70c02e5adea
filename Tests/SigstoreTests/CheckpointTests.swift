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

    @Test(arguments: [
        "", "\n\n", "log\n5\n\(root)\n", "log\n5\n\(root)\n\n", "log\n5\n\(root)\n\n\(signature)",
        "5\n\(root)\n\n\(signature)\n",
        "log\n05\n\(root)\n\n\(signature)\n", "log\n-5\n\(root)\n\n\(signature)\n", "log\n5\nAAAA\n\n\(signature)\n",
        "log\n\(root)\n\n\(signature)\n", "log\n5\n\n\(signature)\n", "log\n5\n\(root)\n\n- log.example AQIDBAUG\n",
        "log\n5\n\(root)\n\n\u{2014} log.example AQIDBA==\n", "log\n5\n\(root)\n\n\u{2014} log.example  AQIDBAUG\n",
        "log\n5\r\n\(root)\n\n\(signature)\n", "log\n18446744073709551616\n\(root)\n\n\(signature)\n",
    ])
    func `a malformed note is refused`(note: String) {
        #expect(throws: SigstoreError.self) { try Checkpoint(note: note) }
    }
}
