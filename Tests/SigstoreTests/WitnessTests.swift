import FoundationEssentials
import OpenSSL
import Testing

@testable import Sigstore

@Suite struct WitnessTests {
    static let root = [UInt8](repeating: 5, count: 32)
    let logKey: PrivateKey
    let log: TrustedLog
    let text = Checkpoint.text(origin: "log.example", size: 9, rootHash: root)

    init() throws {
        logKey = try PrivateKey.generate(.ed25519)
        let raw = logKey.publicKey.ed25519Bytes ?? []
        log = TrustedLog(
            baseURL: "https://log.example", logID: NoteKey.id(name: "log.example", type: NoteKey.ed25519, key: raw),
            keyBytes: logKey.publicKey.spki, key: logKey.publicKey, keyDetails: "PKIX_ED25519",
            validity: ValidityWindow(start: .distantPast, end: nil))
    }

    private static func verifierKey(_ name: String, _ key: PrivateKey, type: UInt8 = NoteKey.cosignature) -> String {
        let raw = key.publicKey.ed25519Bytes ?? []
        let hint = NoteKey.id(name: name, type: type, key: raw).prefix(4)
        return "\(name)+\(Hex.encode(Array(hint)))+\(Base64.encode([type] + raw))"
    }

    private func line(_ name: String, _ hint: some Collection<UInt8>, _ signature: [UInt8]) -> String {
        "\u{2014} \(name) \(Base64.encode(Array(hint) + signature))\n"
    }

    private func logLine() throws -> String { line("log.example", log.logID.prefix(4), try logKey.sign(text)) }

    private func cosignature(_ name: String, _ key: PrivateKey, at seconds: UInt64, over text: [UInt8]? = nil) throws
        -> String
    {
        let time = (0..<8).reversed().map { UInt8(truncatingIfNeeded: seconds >> (UInt64($0) * 8)) }
        let signature = try key.sign(Witness.signedMessage(seconds: seconds, text: text ?? self.text))
        let hint = NoteKey.id(name: name, type: NoteKey.cosignature, key: key.publicKey.ed25519Bytes ?? []).prefix(4)
        return line(name, hint, time + signature)
    }

    private func verify(_ lines: String..., quorum: Int, witnesses: [Witness]) throws -> VerifiedCheckpoint {
        let note = String(decoding: text, as: UTF8.self) + "\n" + lines.joined()
        return try CheckpointVerifier(logs: { [log] in [log] }, witnesses: witnesses, quorum: quorum)
            .verify(Checkpoint(note: note))
    }

    @Test func `known witnesses are counted with their times, others are ignored`() throws {
        let (first, second, stranger) = (
            try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519)
        )
        let witnesses = [
            try Witness(verifierKey: Self.verifierKey("witness.example/w1", first)),
            try Witness(verifierKey: Self.verifierKey("witness.example/w2", second)),
        ]
        let lines =
            try logLine() + cosignature("stranger.example", stranger, at: 1_700_000_000)
            + cosignature("witness.example/w1", first, at: 1_700_000_001)
        let found = try verify(lines, quorum: 1, witnesses: witnesses)
        #expect(found.cosignatures.map(\.witness) == ["witness.example/w1"])
        #expect(found.cosignatures.first?.time == Date(unixSeconds: 1_700_000_001))
        #expect(found.log.baseURL == "https://log.example")

        let few = #expect(throws: SigstoreError.self) { try verify(lines, quorum: 2, witnesses: witnesses) }
        #expect(few?.code == "rekor.unwitnessed")
        let both = try verify(
            lines, cosignature("witness.example/w2", second, at: 1_700_000_002), quorum: 2, witnesses: witnesses)
        #expect(both.cosignatures.count == 2)
    }

    @Test func `a cosignature over another text, by another key or twice by one witness does not count`() throws {
        let (key, other) = (try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519))
        let witness = try Witness(verifierKey: Self.verifierKey("w.example", key))
        for bad in [
            try cosignature("w.example", key, at: 1, over: text + [0x0A]), try cosignature("w.example", other, at: 1),
            try cosignature("v.example", key, at: 1),
            // a plain signature of the text is a log's, not a witness's
            line("w.example", witness.keyHint, try key.sign(text)),
        ] {
            #expect(throws: SigstoreError.self) { try verify(logLine(), bad, quorum: 1, witnesses: [witness]) }
        }
        let twice = try cosignature("w.example", key, at: 1) + cosignature("w.example", key, at: 2)
        #expect(throws: SigstoreError.self) {
            try verify(logLine(), twice, quorum: 2, witnesses: [witness])
        }
    }

    @Test func `a checkpoint that the log did not sign is refused, whoever cosigned it`() throws {
        let (key, other) = (try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519))
        let witness = try Witness(verifierKey: Self.verifierKey("w.example", key))
        let cosigned = try cosignature("w.example", key, at: 1)
        let forged = line("log.example", log.logID.prefix(4), try other.sign(text))
        let renamed = line("other.example", log.logID.prefix(4), try logKey.sign(text))
        for lines in [cosigned, forged + cosigned, renamed + cosigned] {
            let error = #expect(throws: SigstoreError.self) { try verify(lines, quorum: 1, witnesses: [witness]) }
            #expect(error?.code == "sigstore.malformed")
        }
        // a second line that does not verify does not spoil the first: other keys may sign too
        #expect(throws: Never.self) { try verify(forged, logLine(), quorum: 0, witnesses: []) }
    }

    @Test func `a malformed witness key is refused`() throws {
        let key = try PrivateKey.generate(.ed25519)
        let good = Self.verifierKey("w.example", key)
        #expect(throws: Never.self) { try Witness(verifierKey: good) }
        for bad in [
            "", "w.example", "w.example+00000000", good.replacing("w.example", with: "x.example"),
            good.replacing("w.example", with: ""), good.replacing("w.example", with: "w example"), good + "AA",
            good.replacing("+", with: "-"), String(good.dropLast(4)),
            Self.verifierKey("w.example", key, type: NoteKey.ed25519),
        ] {
            #expect(throws: SigstoreError.self, "\(bad)") { try Witness(verifierKey: bad) }
        }
    }

    @Test func `the public instance's cosigned checkpoints of the conformance suite have parts of the right form`()
        throws
    {
        let note = """
            log2025-alpha1.rekor.sigstage.dev
            736
            rs1YPY0ydAV0lxgfrq5pE4oRpUJwo3syeps5+eGUTDI=

            — log2025-alpha1.rekor.sigstage.dev 8w1amdbj1mjNN674dHAkD92+QZoEgBC7o0mXYSTRluDjQrOPjrps3zQB9ut+ShLepyZPsWBDi5IB3yXyjgjQT6OG9A8=
            — witness.example O8PH5AAAAABopO8+4O9uzScQrNEnGdKLYXSPoUjH1Se4n92W+wT/j5Kel/4J2XWE4bEe9bpIVUD6EGOeUDFkSWz/rbDhvVcJ/2OrDw==

            """
        let checkpoint = try Checkpoint(note: note)
        #expect(checkpoint.note == note && checkpoint.size == 736)
        #expect(checkpoint.signatures.map(\.signature.count) == [64, 72])
    }
}
