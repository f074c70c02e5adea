import Curl
import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Sigstore

/// The recorded answers of the real services to bad requests.
struct RecordedRefusal: Sendable, CustomTestStringConvertible {
    let number: Int
    let status: Int
    let headers: [String]
    let body: String

    var testDescription: String { "\(number): \(status) \(body)" }

    static func all(_ numbers: ClosedRange<Int>) throws -> [RecordedRefusal] {
        try Fixture.bytes("refusals.jsonl").split(separator: 0x0A).map { line in
            let json = try JSONValue(parsing: Array(line))
            guard case .object(let headers) = json["headers"] else { throw Fixture.Missing(path: "headers") }
            return RecordedRefusal(
                number: json["seq"]?.integer ?? 0, status: json["status"]?.integer ?? 0,
                headers: headers.members.map { "\($0.name): \($0.value.text ?? "")" }, body: json["body"]?.text ?? "")
        }.filter { numbers.contains($0.number) && $0.status != 200 && $0.status != 409 }
    }
}

@Suite struct FulcioClientTests {
    let http = HTTPClient()
    let key: PrivateKey
    let now = Date(unixSeconds: 1500)

    init() throws { key = try PrivateKey.generate(.ecdsaP256) }

    private func failure(_ answer: ScriptedService.Answer, claims: String = IdentityTokenTests.claims) async throws
        -> SigstoreError
    {
        let service = try ScriptedService { _ in answer }
        defer { service.stop() }
        let fulcio = FulcioClient(url: service.url + "/", http: http, route: .toTestServer, now: { [now] in now })
        let token = try IdentityToken(Fixture.token(claims))
        let error = await #expect(throws: SigstoreError.self) { try await fulcio.issue(key: key, token: token) }
        return try #require(error)
    }

    @Test func `the request proves the key over the challenged claim, and another key's certificate is refused`()
        async throws
    {
        let answer = try Fixture.text("rekor1-tsa/fulcio_answer.json")
        let service = try ScriptedService { _ in .json(200, answer) }
        defer { service.stop() }
        let fulcio = FulcioClient(url: service.url, http: http, route: .toTestServer, now: { [now] in now })
        let token = try IdentityToken(Fixture.token(IdentityTokenTests.claims))
        let error = await #expect(throws: SigstoreError.self) { try await fulcio.issue(key: key, token: token) }
        #expect(error?.code == "fulcio.bad_answer")
        let request = try #require(service.requests.first)
        #expect(request.path == "/api/v2/signingCert")
        #expect(token.withBearer { request.head.contains("Authorization: Bearer \($0)") })
        let json = try JSONValue(parsing: request.body)["publicKeyRequest"]
        let proof = try #require(Base64.decode(json?["proofOfPossession"]?.text ?? ""))
        let sent = try PublicKey(pem: json?["publicKey"]?["content"]?.text ?? "")
        try sent.verify(proof, of: Array("system:serviceaccount:ci:signer".utf8))
    }

    @Test func `every recorded refusal of a good token is a refusal, and of a bad one names the token's fault`()
        async throws
    {
        for refusal in try RecordedRefusal.all(2879...2908) {
            let answer = ScriptedService.Answer.json(refusal.status, refusal.body)
            #expect(try await failure(answer).code == "fulcio.refused", "\(refusal)")
            let expired = IdentityTokenTests.claims.replacing("\"exp\":2000", with: "\"exp\":1400")
            #expect(try await failure(answer, claims: expired).code == "identity.token_expired")
            let other = IdentityTokenTests.claims.replacing("[\"sigstore\"]", with: "\"vault\"")
            #expect(try await failure(answer, claims: other).code == "identity.audience")
        }
    }

    @Test(arguments: [400, 502])
    func `a page that prints the whole request is told without the token`(status: Int) async throws {
        // not as an encoder would write it: it does not begin with eyJ
        let text = Fixture.token(IdentityTokenTests.claims, header: #"{ "alg":"RS256"}"#)
        for isJSON in [true, false] {
            let service = try ScriptedService { request in
                let head = request.head.split(separator: "\r\n").joined(separator: " ")
                // an encoder may escape what it need not
                let escaped = head.replacing(".", with: "\\u002e")
                let page = isJSON ? "{\"message\":\"sent: \(escaped)\"}" : "sent: \(head)"
                return .json(status, page)
            }
            defer { service.stop() }
            let fulcio = FulcioClient(url: service.url, http: http, route: .toTestServer, now: { [now] in now })
            let token = try IdentityToken(text)
            let error = try #require(
                await #expect(throws: SigstoreError.self) { try await fulcio.issue(key: key, token: token) })
            #expect(error.observed.contains("Authorization: Bearer «redacted»"))
            for part in text.split(separator: ".") { #expect(!"\(error)".contains(part)) }
        }
    }

    @Test func `an overloaded or absent Fulcio is waited for`() async throws {
        let throttled = try await failure(.json(429, "{}", headers: ["Retry-After: 7"]))
        #expect(throttled.code == "fulcio.throttled" && throttled.retryAfter == .seconds(7) && throttled.isTransient)
        for answer in [ScriptedService.Answer.json(500, "{}"), .json(502, "<html>"), .lost] {
            let error = try await failure(answer)
            #expect(error.code == "fulcio.unavailable" && error.isTransient)
        }
        #expect(try await failure(.json(200, "{}")).code == "fulcio.bad_answer")
        #expect(try await failure(.json(200, "[")).code == "fulcio.bad_answer")
    }
}

@Suite struct TimestampClientTests {
    private func failure(_ answer: ScriptedService.Answer) async throws -> SigstoreError {
        let service = try ScriptedService { _ in answer }
        defer { service.stop() }
        let client = TimestampClient(url: service.url + "/api/v1/timestamp", http: HTTPClient(), route: .toTestServer)
        let error = await #expect(throws: SigstoreError.self) { try await client.timestamp([1, 2, 3]) }
        #expect(service.requests.first?.path == "/api/v1/timestamp")
        return try #require(error)
    }

    @Test func `recorded refusals, garbage and a foreign timestamp have their own codes`() async throws {
        for refusal in try RecordedRefusal.all(2958...2967) {
            #expect(try await failure(.json(refusal.status, refusal.body)).code == "tsa.refused", "\(refusal)")
        }
        #expect(try await failure(.json(200, "no DER")).code == "tsa.bad_answer")
        #expect(try await failure(.bytes(200, try Fixture.bundle().timestamps[0])).code == "tsa.bad_answer")
        #expect(try await failure(.lost).code == "tsa.unavailable")
        #expect(try await failure(.json(503, "", headers: ["Retry-After: 1"])).code == "tsa.throttled")
    }
}

@Suite struct RekorV1Tests {
    let request: [UInt8]
    let answer: String
    static let uuid = "65dcb99348d42826d4ef63c7a9d7c712c05ff09e909312cbccc9fc1b89a950b9c798eb5fe3ceb3e4"

    init() throws {
        // cosign orders the members of its request otherwise; what counts is inside
        request = try Fixture.bytes("rekor1-tsa/log_request.json")
        answer = try Fixture.text("rekor1-tsa/log_answer.json")
    }

    private func log(
        _ script: @escaping @Sendable (ScriptedService.Request) -> ScriptedService.Answer,
        _ body: (RekorV1, ScriptedService) async throws -> Void
    ) async throws {
        let service = try ScriptedService(script)
        defer { service.stop() }
        try await body(RekorV1(url: service.url, http: HTTPClient(), route: .toTestServer), service)
    }

    private func failure(_ answer: ScriptedService.Answer) async throws -> SigstoreError {
        var seen: SigstoreError?
        try await log({ _ in answer }) { log, _ in
            seen = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
        }
        return try #require(seen)
    }

    @Test func `our request for cosign's envelope says what cosign's says`() throws {
        let bundle = try Fixture.bundle()
        guard case .envelope(let envelope) = bundle.content, case .certificate(let der) = bundle.material else {
            return
        }
        let log = RekorV1(url: "http://log.example/", http: HTTPClient())
        #expect(log.id == "http://log.example")
        let ours = try log.request(for: LogSubmission(.envelope(envelope), by: .certificate(Certificate(der: der))))
        let (mine, theirs) = (try JSONValue(parsing: ours), try JSONValue(parsing: request))
        #expect(mine["kind"] == theirs["kind"] && mine["apiVersion"] == theirs["apiVersion"])
        #expect(mine["spec"]?["proposedContent"] == theirs["spec"]?["proposedContent"])
        #expect(try RekorV1Entry(request: ours).canonicalizedBody == bundle.tlogEntries[0].canonicalizedBody)
    }

    @Test func `an accepted request gives the bundle's entry, and is sent byte for byte`() async throws {
        try await log({ [answer] _ in .json(201, answer) }) { log, service in
            var entry = try await log.submit(request)
            #expect(entry.uuid == Self.uuid)
            entry.uuid = nil
            #expect(try entry == Fixture.bundle().tlogEntries[0])
            #expect(service.requests.map(\.body) == [request])
        }
    }

    @Test func `a duplicate is fetched by the uuid of its location, never from its host`() async throws {
        let location = "Location: http://evil.example/api/v1/log/entries/\(Self.uuid)"
        try await log({ [answer] in $0.method == "POST" ? .json(409, "{}", headers: [location]) : .json(200, answer) })
        { log, service in
            let entry = try await log.submit(request)
            #expect(entry.uuid == Self.uuid)
            #expect(service.requests.map(\.path) == ["/api/v1/log/entries", "/api/v1/log/entries/\(Self.uuid)"])
        }
    }

    @Test func `a duplicate without a location is found by its leaf hash`() async throws {
        try await log({ [answer] in $0.method == "POST" ? .json(409, "{}") : .json(200, answer) }) { log, service in
            let entry = try await log.submit(request)
            #expect(entry.uuid == Self.uuid)
            #expect(service.requests.last?.path == "/api/v1/log/entries/\(Self.uuid.suffix(64))")
        }
    }

    @Test func `a duplicate that cannot be read yet is waited for`() async throws {
        try await log({ $0.method == "POST" ? .json(409, "{}") : .json(404, "") }) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.submit(request) }
            #expect(error?.code == "rekor.unavailable" && error?.answerMayBeLost == true)
        }
    }

    @Test func `lookup asks by leaf hash, then by content, and says nil when there is none`() async throws {
        try await log({ [answer] in $0.method == "GET" ? .json(200, answer) : .json(500, "") }) { log, _ in
            let entry = try await log.lookup(request)
            #expect(entry?.uuid == Self.uuid)
        }
        try await log({ [answer] in $0.method == "GET" ? .json(404, "") : .json(200, "[\(answer)]") }) { log, _ in
            let entry = try await log.lookup(request)
            #expect(entry?.uuid == Self.uuid)
        }
        try await log({ $0.method == "GET" ? .json(404, "") : .json(200, "[]") }) { log, _ in
            let entry = try await log.lookup(request)
            #expect(entry == nil)
        }
        try await log({ _ in .json(500, "") }) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.lookup(request) }
            #expect(error?.code == "rekor.unavailable")
        }
    }

    @Test func `recorded refusals are final, and broken answers are not`() async throws {
        let refusals = try RecordedRefusal.all(2909...2940)
        #expect(!refusals.isEmpty)
        for refusal in refusals {
            let error = try await failure(.json(refusal.status, refusal.body))
            // the real server answers unreadable JSON with 500
            #expect(error.code == (refusal.status == 500 ? "rekor.unavailable" : "rekor.refused"), "\(refusal)")
            #expect(error.isTransient == (refusal.status == 500))
        }
        let lost = try await failure(.lost)
        #expect(lost.code == "rekor.unavailable" && lost.answerMayBeLost)
        #expect(try await failure(.json(502, "")).answerMayBeLost)
        let busy = try await failure(.json(429, "", headers: ["Retry-After: 3"]))
        #expect(busy.code == "rekor.throttled" && busy.retryAfter == .seconds(3) && !busy.answerMayBeLost)
        for body in [
            "{}", "[]", "", answer.replacing("\"body\":\"ey", with: "\"body\":\"fy"),
            answer.replacing(Self.uuid, with: String(Self.uuid.reversed())),
        ] {
            let error = try await failure(.json(201, body))
            #expect(error.code == "rekor.bad_answer" && error.answerMayBeLost)
        }
    }

    @Test func `an entry of another signature is not taken for ours`() async throws {
        let envelope = try Fixture.envelope("rekor1")
        let other = DSSEEntry.request(envelope: envelope, verifierPEM: "x")
        try await log({ [answer] _ in .json(201, answer) }) { log, _ in
            let error = await #expect(throws: SigstoreError.self) { try await log.submit(other) }
            #expect(error?.code == "rekor.bad_answer")
        }
    }
}
