import Curl
import OpenSSL
import StrictJSON
import Testing

@testable import Sigstore

@Suite struct RekorV1EntryTests {
    static let exchanges = RecordedLogExchange.all.filter { !$0.isV2 && $0.status == 201 }
    let log = RekorV1(url: "http://log.example", http: HTTPClient())

    @Test(arguments: exchanges)
    func `our request says what cosign's said, and foresees the leaf`(recorded: RecordedLogExchange) throws {
        let ours = try log.request(for: recorded.submission())
        let (mine, theirs) = (try JSONValue(parsing: ours), try JSONValue(parsing: recorded.request))
        #expect(mine["kind"] == theirs["kind"] && mine["apiVersion"] == theirs["apiVersion"])
        // cosign writes `"signatures":null` beside a proposed envelope
        let field = mine["spec"]?["proposedContent"] == nil ? nil : "proposedContent"
        #expect(field.map { mine["spec"]?[$0] } ?? mine["spec"] == field.map { theirs["spec"]?[$0] } ?? theirs["spec"])
        let entry = try RekorAnswer.entry(in: Array(recorded.answer.utf8))
        #expect(try RekorV1Entry(request: ours).canonicalizedBody == entry.canonicalizedBody)
        #expect(try RekorV1Entry(request: ours).isSameSignature(as: RekorV1Entry(entry)))
    }

    @Test func `an entry of the other kind, or of another signature, is not taken for ours`() throws {
        let entries = try Self.exchanges.map { try RekorV1Entry(RekorAnswer.entry(in: Array($0.answer.utf8))) }
        #expect(entries.count == 4)
        for (i, one) in entries.enumerated() {
            for (j, other) in entries.enumerated() { #expect(one.isSameSignature(as: other) == (i == j)) }
        }
    }

    /// Each row replaces one text in a good request.
    @Test(arguments: [
        ("\"kind\":\"hashedrekord\"", "\"kind\":\"rekord\""), ("\"kind\":\"hashedrekord\"", "\"kind\":\"dsse\""),
        ("\"apiVersion\":\"0.0.1\"", "\"apiVersion\":\"0.0.2\""), ("\"sha256\"", "\"sha512\""),
        ("\"sha256\"", "\"md5\""), ("\"value\":\"8c", "\"value\":\"8"), ("\"value\":\"8c", "\"value\":\""),
        ("\"content\":\"MEUC", "\"content\":\"%EUC"), ("\"publicKey\"", "\"key\""), ("\"data\"", "\"date\""),
        ("\"spec\"", "\"specs\""),
    ])
    func `a malformed request is refused before it is sent`(good: String, bad: String) throws {
        let submission = try RecordedLogExchange.scenario("keyless-old-rekor1").submission()
        let text = String(decoding: try log.request(for: submission), as: UTF8.self)
        try #require(text.contains(good))
        #expect(throws: SigstoreError.self) { try RekorV1Entry(request: Array(text.replacing(good, with: bad).utf8)) }
    }

    @Test func `what the log cannot hold is refused when the request is made`() throws {
        let key = try PrivateKey.generate(.ecdsaP256).publicKey
        let short = #expect(throws: SigstoreError.self) {
            try log.request(for: LogSubmission(.message(digest: [1, 2], signature: [3]), by: .publicKey(key)))
        }
        #expect(short?.code == "sigstore.unsupported")
        let signature = Envelope.Signature(sig: [1])
        let two = Envelope(payload: [1], payloadType: "x", signatures: [signature, signature])
        #expect(throws: SigstoreError.self) {
            try log.request(for: LogSubmission(.envelope(two), by: .publicKey(key)))
        }
    }
}
