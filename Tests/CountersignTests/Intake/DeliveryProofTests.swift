import Curl
import FoundationEssentials
import OpenSSL
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Senders that sign what they send instead of showing the secret, as GitHub, Gitea and others do: none of ours yet, so that the
/// dialect here is the tests' own.
@Suite struct DeliveryProofTests {
    @Test func `a code is the one that senders publish as their example`() {
        // docs.github.com, "Validating webhook deliveries"
        let delivery = SignedDialect().proof.proving(
            Delivery(body: Array("Hello, World!".utf8)), with: Secret("It's a Secret to Everybody"))
        #expect(
            delivery.head["x-signature-256"]
                == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
    }

    @Test func `what was signed with either secret is taken, and its events are read from head and body`() async throws
    {
        try await withSignedDoors { (doors) async throws in
            for (number, secret) in ["Bearer first-secret", "second-secret"].enumerated() {
                let answer = try await post(signed(event: "push \(number)", secret: secret), to: doors)
                #expect(answer.status == 202)
                #expect(
                    String(decoding: answer.body, as: UTF8.self)
                        == #"{"accepted":1,"ignored":0,"known":0,"refused":0}"#)
            }
            #expect(try await doors.events() == 2)
            #expect(try await doors.queue.jobCount() == 2)
            #expect(try await post(signed(kind: "ping"), to: doors).status == 202)
            #expect(try await doors.events() == 2)
            #expect(doors.metrics.deliveries.value("main", "stored") == 2)
        }
    }

    @Test(arguments: Forgery.allCases)
    func `what was not signed so is refused before it is parsed, and nothing of it is stored`(_ forgery: Forgery)
        async throws
    {
        try await withSignedDoors { (doors) async throws in
            for body in [nil, "not json"] {
                let answer = try await post(forgery.delivery(body), to: doors)
                #expect(answer.status == 401)
                #expect(try JSONValue(parsing: answer.body)["code"]?.text == "intake.unauthorized")
            }
            #expect(try await doors.events() == 0)
            #expect(try await doors.queue.jobCount() == 0)
            #expect(doors.commits.all == [])
            #expect(doors.metrics.deliveries.value("main", "intake.unauthorized") == 2)
        }
    }

    @Test func `an empty secret opens nothing, whatever is made with it`() async throws {
        try await withSignedDoors({ $0.secrets = [Secret("")] }) { (doors) async throws in
            #expect(try await post(signed(secret: ""), to: doors).status == 401)
        }
        try await DoorsFixture.withDoors(.doors { $0.endpoints[0].secrets = [Secret("")] }) { (doors) async throws in
            #expect(try await doors.deliver(envelope(notification()), secret: "").status == 401)
        }
    }

    @Test func `without a code a sender is sent away before his body, with one only once it is too large`() async throws
    {
        try await withSignedDoors { (doors) async throws in
            func answer(_ field: String) async throws -> String {
                let connection = try RawConnection(port: doors.ports[.webhooks] ?? 0)
                connection.send("POST /webhooks/main HTTP/1.1\r\nHost: x\r\n\(field)Content-Length: 70000\r\n\r\n{")
                return try await connection.receive()
            }
            #expect(try await answer("").hasPrefix("HTTP/1.1 401"))
            #expect(try await answer("X-Signature-256: sha256=00\r\n").hasPrefix("HTTP/1.1 413"))
            #expect(doors.metrics.deliveries.value("main", "intake.unauthorized") == 1)
            #expect(doors.metrics.deliveries.value("main", "intake.too_large") == 1)
        }
    }

    @Test func `the doctor signs its delivery too`() async throws {
        try await withSignedDoors { (doors) async throws in
            var configuration = Configuration.doors
            configuration.endpoints[0].kind = SignedDialect()
            configuration.listeners.webhooks = ListenAddress(host: "127.0.0.1", port: doors.ports[.webhooks] ?? 0)
            let doctor = Doctor(
                configuration, .init(migrations: packageRoot + "/migrations"), http: SigningLine.http)
            let findings = await doctor.intakeFindings()
            let delivery = try #require(findings.first { $0.check == "delivery main" })
            #expect(delivery.verdict == .ok && delivery.observed.contains("took a delivery"), "\(delivery)")
            let secret = try #require(findings.first { $0.check == "webhook main" })
            #expect(secret.observed.contains("key of 19 bytes"), "\(secret)")
            #expect(try await doors.events() == 0)
        }
    }

    @Test func `a secret that stands in two fields is shown in none`() async throws {
        let twice = HTTPHeaders([("Authorization", "Bearer first-secret"), ("Authorization", "Bearer first-secret")])
        try await DoorsFixture.withDoors { (doors) async throws in
            #expect(try await post(Delivery(head: twice, body: Array("{}".utf8)), to: doors).status == 401)
        }
    }

    // MARK: Deliveries

    private func withSignedDoors(
        _ change: (inout EndpointConfiguration) -> Void = { _ in }, _ body: (DoorsFixture) async throws -> Void
    ) async throws {
        var configuration = Configuration.doors
        configuration.endpoints[0].kind = SignedDialect()
        change(&configuration.endpoints[0])
        try await DoorsFixture.withDoors(configuration, body)
    }

    private func post(_ delivery: Delivery, to doors: DoorsFixture) async throws -> HTTPResponse {
        try await doors.send(.post, .webhooks, "/webhooks/main", headers: delivery.head, body: delivery.body)
    }

    /// How somebody without the secret might try.
    enum Forgery: CaseIterable, Sendable {
        case nothing, empty, wrongSecret, emptySecret, secretItself, anotherBody, cutShort, twice, otherField

        func delivery(_ body: String?) -> Delivery {
            var delivery = signed()
            if let body { delivery.body = Array(body.utf8) }
            func code(_ secret: String = "Bearer first-secret") -> String? {
                SignedDialect().proof.proving(delivery, with: Secret(secret)).head[SignedDialect.field]
            }
            let genuine = code() ?? ""
            switch self {
            case .nothing: delivery.head[SignedDialect.field] = nil
            case .empty: delivery.head[SignedDialect.field] = ""
            case .wrongSecret: delivery.head[SignedDialect.field] = code("Bearer wrong-secret")
            case .emptySecret: delivery.head[SignedDialect.field] = code("")
            case .secretItself: delivery.head[SignedDialect.field] = "Bearer first-secret"
            case .anotherBody:
                delivery.head[SignedDialect.field] = genuine
                delivery.body.append(0x20)
            case .cutShort: delivery.head[SignedDialect.field] = String(genuine.dropLast())
            case .twice:
                delivery.head[SignedDialect.field] = genuine
                delivery.head.add(SignedDialect.field, genuine)
            case .otherField:
                delivery.head[SignedDialect.field] = nil
                delivery.head["Authorization"] = "Bearer first-secret"
            }
            return delivery
        }
    }
}

/// A push as the sender of the tests' own dialect signs it.
private func signed(
    kind: String = "push", event: String = "image", secret: String = "Bearer first-secret"
) -> Delivery {
    let body =
        #"{"host": "registry.example.com", "name": "team/app", "digest": "\#(sampleDigest(event))", "tag": "v1"}"#
    return SignedDialect().proof.proving(
        Delivery(head: ["X-Event": kind, "X-Delivery": event], body: Array(body.utf8)), with: Secret(secret))
}

/// One push a delivery; what happened and its id stand in the head, and a code over the body beside them.
private struct SignedDialect: WebhookDialect {
    static let field = "X-Signature-256"
    let name = "signed"

    var proof: DeliveryProof {
        .code(in: Self.field) { key, delivery in
            "sha256=" + Hex.encode(HMAC.sha256(key: key, message: delivery.body))
        }
    }

    var bodySchema: Schema { .object(["digest": .digest]) }

    var emptyDelivery: Delivery { Delivery(head: ["X-Event": "ping"], body: Array("{}".utf8)) }

    func events(in delivery: Delivery) throws(IntakeError) -> [ReceivedEvent] {
        let body = try delivery.document()
        guard delivery.head["X-Event"] == "push" else { return [] }
        var push = PushEvent(registryHost: body["host"]?.text, repository: body["name"]?.text)
        push.id = delivery.head["X-Delivery"]
        push.digest = body["digest"]?.text
        push.tag = body["tag"]?.text
        push.mediaType = "application/vnd.oci.image.manifest.v1+json"
        push.record = ScrubbedRecord.render(body)
        return [.push(push)]
    }
}
