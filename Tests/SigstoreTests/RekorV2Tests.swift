import Curl
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Sigstore

@Suite struct RekorV2Tests {
    static let exchanges = RecordedLogExchange.all.filter(\.isV2)
    static let accepted = exchanges.filter { $0.status == 201 }
    let root: TrustedRoot

    init() throws { root = try Fixture.root() }

    private var route: HTTPRoute { .toTestServer }

    private func log(
        logs: [TrustedLog]? = nil,
        _ script: @escaping @Sendable (ScriptedService.Request) -> ScriptedService.Answer,
        _ body: (RekorV2, ScriptedService) async throws -> Void
    ) async throws {
        let service = try ScriptedService(script)
        defer { service.stop() }
        let trusted = logs ?? root.tlogs
        try await body(
            RekorV2(
                url: service.url, verifier: CheckpointVerifier(logs: { trusted }), http: HTTPClient(), route: route),
            service)
    }

    private func failure(_ request: [UInt8], _ answer: ScriptedService.Answer) async throws -> SigstoreError {
        var seen: SigstoreError?
        try await log({ _ in answer }) { log, _ in
            seen = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
        }
        return try #require(seen)
    }

    @Test(arguments: exchanges.filter { $0.scenario.hasPrefix("key") && $0.scenario != "key-new-rekor2-ed" })
    func `our request is cosign's, byte for byte`(recorded: RecordedLogExchange) throws {
        let entry = try HashedRekordV2Entry(recorded.submission())
        #expect(String(decoding: entry.request, as: UTF8.self) == String(decoding: recorded.request, as: UTF8.self))
        #expect(try HashedRekordV2Entry(request: recorded.request) == entry)
    }

    @Test(arguments: accepted)
    func `an accepted request gives its entry, proven, and foresees the leaf`(recorded: RecordedLogExchange)
        async throws
    {
        try await log({ _ in .json(201, recorded.answer) }) { log, service in
            let entry = try await log.submit(recorded.request)
            let expected = try HashedRekordV2Entry(request: recorded.request)
            #expect(entry.canonicalizedBody == expected.canonicalizedBody)
            #expect(entry.integratedTime == 0 && entry.inclusionPromise == nil)
            #expect(service.requests.map(\.path) == ["/api/v2/log/entries"])
            #expect(service.requests.map(\.body) == [recorded.request])
        }
    }

    @Test func `an envelope is entered as the digest of its pre-authentication encoding`() throws {
        let key = try PrivateKey.generate(.ecdsaP384)
        let envelope = Envelope(payload: [1, 2], payloadType: "t", signatures: [.init(sig: [3])])
        let entry = try HashedRekordV2Entry(LogSubmission(.envelope(envelope), by: .publicKey(key.publicKey)))
        #expect(entry.digest == Hash.sha384(envelope.preAuthenticationEncoding))
        #expect(entry.keyDetails == "PKIX_ECDSA_P384_SHA_384")
        let wrong = LogSubmission(.message(digest: Hash.sha256([1]), signature: [3]), by: .publicKey(key.publicKey))
        #expect(throws: SigstoreError.self) { try HashedRekordV2Entry(wrong) }
        let ed = try PrivateKey.generate(.ed25519).publicKey
        #expect(throws: SigstoreError.self) {
            try HashedRekordV2Entry(LogSubmission(.envelope(envelope), by: .publicKey(ed)))
        }
    }

    @Test func `an answer that is not proven, or of another request, is not taken`() async throws {
        let recorded = try RecordedLogExchange.scenario("key-new-rekor2-tsa")
        let other = try RecordedLogExchange.scenario("keyless-new-rekor2-tsa")
        let good = recorded.answer
        for (from, to) in [
            ("7WmwNN", "8WmwNN"), ("\"logIndex\":\"34\"", "\"logIndex\":\"33\""), ("U/eE1rp", "V/eE1rp"),
            ("\"treeSize\":\"35\"", "\"treeSize\":\"36\""), ("localhost\\n35\\n", "localhost\\n36\\n"),
            ("ivH00lSx", "ivH00lSy"), ("ivH00icg", "jvH00icg"), ("0.0.2", "0.0.1"), ("\"inclusionProof\"", "\"proof\""),
            ("eyJhcGlW", "eyJhcGlX"), ("{", "["),
        ] {
            try #require(good.contains(from))
            let error = try await failure(recorded.request, .json(201, good.replacing(from, with: to)))
            #expect(error.code == "rekor.bad_answer" && error.answerMayBeLost, "\(from)")
        }
        #expect(try await failure(recorded.request, .json(201, other.answer)).code == "rekor.bad_answer")
        try await log(logs: [], { _ in .json(201, good) }) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.submit(recorded.request) }
            #expect(error?.code == "rekor.bad_answer")
        }
    }

    @Test func `refusals, overload, a frozen log and lost answers have their own codes`() async throws {
        for refusal in Self.exchanges where refusal.status == 400 {
            let request = try RecordedLogExchange.scenario("key-new-rekor2-tsa").request
            let error = try await failure(request, .json(400, refusal.answer))
            #expect(error.code == "rekor.refused" && !error.isTransient)
        }
        let request = try RecordedLogExchange.scenario("key-new-rekor2-tsa").request
        let frozen = try await failure(
            request, .json(405, #"{"code":12,"message":"This log has been frozen","details":[]}"#))
        #expect(frozen.code == "rekor.frozen" && frozen.isTransient && frozen.observed.contains("has been frozen"))
        let busy = try await failure(request, .json(429, "", headers: ["Retry-After: 3"]))
        #expect(busy.code == "rekor.throttled" && busy.retryAfter == .seconds(3))
        for status in [499, 500, 503, 504] {
            let error = try await failure(request, .json(status, "{}"))
            #expect(error.code == "rekor.unavailable" && error.answerMayBeLost, "\(status)")
        }
        #expect(try await failure(request, .lost).answerMayBeLost)
        #expect(try await failure(request, .json(409, "{}")).code == "rekor.bad_answer")
        #expect(try await failure(request, .json(409, "", headers: ["X-Log-Index: -1"])).code == "rekor.bad_answer")
    }

    @Test func `asking by content is refused instead of guessed`() async throws {
        try await log({ _ in .lost }) { log, service in
            let error = await #expect(throws: SigstoreError.self) { try await log.lookup([]) }
            #expect(error?.code == "sigstore.unsupported" && service.requests.isEmpty)
            #expect(!log.datesEntries)
        }
    }

    /// Each row replaces one text in a good request.
    @Test(arguments: [
        ("hashedRekordRequestV002", "dsseRequestV002"), ("\"digest\":\"", "\"digest\":\"AAAA"),
        ("\"content\"", "\"contents\""), ("\"keyDetails\"", "\"details\""), ("\"publicKey\"", "\"key\""),
        ("\"rawBytes\":\"", "\"rawBytes\":\"!"), ("{\"hashed", "{\"extra\":1,\"hashed"),
        ("\"publicKey\":{", "\"x509Certificate\":{\"rawBytes\":\"AA==\"},\"publicKey\":{"),
    ])
    func `a malformed request is refused before it is sent`(good: String, bad: String) throws {
        let text = String(decoding: try RecordedLogExchange.scenario("key-new-rekor2-tsa").request, as: UTF8.self)
        try #require(text.contains(good))
        #expect(throws: SigstoreError.self) {
            try HashedRekordV2Entry(request: Array(text.replacing(good, with: bad).utf8))
        }
    }
}
