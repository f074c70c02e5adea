import Curl
import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import ServiceLifecycle
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct NotificationTests {
    private static let key = "a key of at least 24 bytes"

    func sink(
        _ server: LoopbackServer, name: String = "platform",
        _ change: (inout NotificationConfiguration.Sink) throws -> Void = { _ in }
    ) throws -> NotificationConfiguration.Sink {
        var upstream = UpstreamConfiguration(url: server.url + "/hooks/T0KEN")
        (upstream.plainHTTP, upstream.privateNetwork, upstream.proxy) = (true, true, .none)
        var sink = NotificationConfiguration.Sink(name: name, upstream: upstream, secrets: [Secret(Self.key)])
        sink.retryBase = .milliseconds(1)
        sink.retryCeiling = .milliseconds(2)
        try change(&sink)
        return sink
    }

    /// A delivery service over the fixture's database whose receivers are registered.
    func delivery(
        _ fixture: QueueFixture, _ sinks: NotificationConfiguration.Sink...
    ) async throws -> (service: NotificationDelivery, outbox: Outbox, http: HTTPClient) {
        var configuration = NotificationConfiguration()
        configuration.source = "https://countersign.example"
        configuration.sinks = sinks
        let outbox = Outbox(pool: fixture.pool)
        try await outbox.register(sinks)
        let http = HTTPClient(userAgent: "countersign/test")
        let service = NotificationDelivery(
            configuration, outbox: outbox, http: http, metrics: NotificationMetrics(MetricsRegistry()),
            logger: SigningDaemon.silence)
        return (service, outbox, http)
    }

    func waiting(_ fixture: QueueFixture) async throws -> Int {
        try await fixture.number("SELECT count(*) FROM countersign.outbox")
    }

    private func sign(_ fixture: QueueFixture, _ seed: String, repository: String = "team/app") async throws {
        try await fixture.push(samplePush(sampleDigest(seed), repository: repository))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord(42)))
    }

    /// Steps until nothing is left for that receiver.
    func drain(_ fixture: QueueFixture, _ service: NotificationDelivery, _ sink: NotificationConfiguration.Sink)
        async throws
    {
        try await eventually("nothing waits for \(sink.name)") {
            _ = try await service.step(for: sink)
            return try await fixture.number("SELECT count(*) FROM countersign.outbox WHERE sink = \(sink.name)::text")
                == 0
        }
    }

    @Test func `an artifact that became signed is told, with a signature that proves sender, time and content`()
        async throws
    {
        let server = try LoopbackServer { _ in .answer(202) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let sink = try sink(server)
        let (service, _, http) = try await delivery(fixture, sink)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        #expect(try await service.step(for: sink) == 1)
        #expect(try await waiting(fixture) == 0)

        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.header("Content-Type") == CloudEvent.mediaType)
        let document = try JSONValue(parsing: request.body)
        let reference = "registry.example/team/app@\(sampleDigest("app"))"
        #expect(document["specversion"]?.text == "1.0" && document["type"]?.text == "dev.countersign.artifact.signed")
        #expect(document["source"]?.text == "https://countersign.example" && document["subject"]?.text == reference)
        #expect(document["data"]?["log_index"]?.integer == 42 && document["data"]?["state"]?.text == "signed")
        #expect(document["data"]?["identity"]?.text == sampleRecord().identity)

        let id = try #require(request.header("webhook-id"))
        let moment = try #require(request.header("webhook-timestamp").flatMap { Int($0) })
        #expect(document["id"]?.text == id && abs(Double(moment) - Date().timeIntervalSince1970) < 300)
        let message = Array("\(id).\(moment).".utf8) + request.body
        let expected = Base64.encode(HMAC.sha256(key: Array(Self.key.utf8), message: message))
        #expect(request.header("webhook-signature") == "v1,\(expected)")
    }

    @Test func `the signature is that of the Standard Webhooks libraries`() {
        let signature = CloudEvent.signature(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8),
            secret: Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func `while a secret is rotated both sign`() throws {
        let event = CloudEvent(
            id: UUID(), source: "/", type: "t", subject: "s", time: Date(), data: .object(["repository": .string("r")]))
        let proof = event.proof(of: event.body, by: [Secret("new secret"), Secret("old secret")], at: Date())
        let signatures = try #require(proof.first { $0.name == "webhook-signature" }).value.split(separator: " ")
        #expect(signatures.count == 2 && signatures[0] != signatures[1])
    }

    @Test func `what is not taken is sent again under the same id until it is`() async throws {
        let server = try LoopbackServer { request in request.numberOnConnection < 3 ? .answer(503) : .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let sink = try sink(server)
        let (service, _, http) = try await delivery(fixture, sink)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        _ = try await service.step(for: sink)
        let error = try #require(try await fixture.text("SELECT last_error::text FROM countersign.outbox"))
        #expect(error.contains("notification.refused") && error.contains("HTTP 503"))
        try await drain(fixture, service, sink)
        #expect(server.requests.count == 3 && Set(server.requests.map { $0.header("webhook-id") }).count == 1)
    }

    @Test func `a receiver that cannot be reached is named without its address, which may be a secret`() async throws {
        let server = try LoopbackServer { _ in .drop }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let sink = try sink(server)
        let (service, _, http) = try await delivery(fixture, sink)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        _ = try await service.step(for: sink)
        let error = try #require(try await fixture.text("SELECT last_error::text FROM countersign.outbox"))
        #expect(error.contains("notification.unreachable") && !error.contains("T0KEN"))
    }

    @Test func `a daemon that dies with an event leaves it to the next, under the same id`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let sink = try sink(server)
        let (service, outbox, http) = try await delivery(fixture, sink)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        let taken = try await outbox.claim(for: sink.name, source: "/", limit: 4, lease: .seconds(60))
        #expect(taken.count == 1)
        // held by the dead one: nobody else begins it
        #expect(try await service.step(for: sink) == 0)
        try await fixture.pool.execute("UPDATE countersign.outbox SET due_at = now()")
        #expect(try await service.step(for: sink) == 1)
        #expect(server.requests.first?.header("webhook-id") == taken.first?.event.id.uuidString.lowercased())
    }

    @Test func `an event is given up after its time, and at once where the receiver wants no more`() async throws {
        let server = try LoopbackServer { request in .answer(request.path.hasSuffix("gone") ? 410 : 500) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let late = try sink(server, name: "late") { $0.giveUpAfter = .milliseconds(1) }
        let gone = try sink(server, name: "gone") { $0.upstream.url = server.url + "/gone" }
        let (service, _, http) = try await delivery(fixture, late, gone)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        #expect(try await waiting(fixture) == 2)
        for sink in [late, gone] { try await drain(fixture, service, sink) }
        #expect(server.requests.count >= 2)
    }

    @Test func `a receiver gets the types and repositories it asked for, and nobody gets what nobody asked for`()
        async throws
    {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        try await sign(fixture, "before")
        #expect(try await waiting(fixture) == 0, "no receiver, nothing stored")
        let failures = try sink(server, name: "failures") { $0.types = [.failed] }
        let team = try sink(server, name: "team") { $0.repositories = [try Glob("registry.example/team/**")] }
        let (service, _, http) = try await delivery(fixture, failures, team)
        defer { http.shutdown() }
        try await sign(fixture, "theirs", repository: "other/app")
        try await sign(fixture, "ours")
        try await fixture.push(samplePush(sampleDigest("bad")))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .failed(sampleFailure))
        for sink in [failures, team] { try await drain(fixture, service, sink) }
        let told = try server.requests.map { try JSONValue(parsing: $0.body)["data"]?["digest"]?.text }
        let expected = [sampleDigest("bad"), sampleDigest("bad"), sampleDigest("ours")].map(\.description)
        #expect(told.compactMap { $0 }.sorted() == expected.sorted())
    }

    @Test func `an alert is told`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let sink = try sink(server) { $0.types = [.alert] }
        let (service, _, http) = try await delivery(fixture, sink)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        try await fixture.pool.execute(
            """
            INSERT INTO countersign.alert (key, code, repository_id, digest, observed, fix)
            SELECT 'k', 'signature.tampered', t.repository_id, t.digest, 'other bytes', 'look' FROM countersign.target t
            """)
        try await drain(fixture, service, sink)
        let document = try JSONValue(parsing: try #require(server.requests.first).body)
        #expect(document["type"]?.text == "dev.countersign.alert.raised")
        #expect(document["subject"]?.text == "registry.example/team/app@\(sampleDigest("app"))")
        #expect(document["data"]?["code"]?.text == "signature.tampered")
    }

    @Test func `an event that did not come true is not told`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let (_, _, http) = try await delivery(fixture, try sink(server))
        defer { http.shutdown() }
        try await fixture.push(samplePush(sampleDigest("app")))
        let claim = try await fixture.claimOne()
        try await fixture.expireLeases()
        _ = try await fixture.queue.rescue()
        await #expect(throws: QueueError.self) {
            try await fixture.queue.settle(claim, as: .signed(sampleRecord()))
        }
        #expect(try await waiting(fixture) == 0)
    }

    @Test func `without a receiver the service stays until it is told to stop`() async throws {
        let fixture = try await QueueFixture()
        let (service, _, http) = try await delivery(fixture)
        defer { http.shutdown() }
        try await fixture.pool.execute(
            """
            INSERT INTO countersign.notification_sink (name, types, seen_at)
            VALUES ('left', ARRAY['t'], now() - interval '2 days')
            """)
        let group = ServiceGroup(
            configuration: .init(services: [service], logger: SigningDaemon.silence))
        let running = Task { try await group.run() }
        try await eventually("it has looked at the receivers") {
            try await fixture.number("SELECT count(*) FROM countersign.notification_sink") == 0
        }
        // long enough for a service that returned to have ended the group
        try await Task.sleep(for: .milliseconds(200))
        await group.triggerGracefulShutdown()
        try await running.value
    }

    /// Nobody has said anything of that receiver for longer than receivers are kept.
    private func age(_ fixture: QueueFixture, _ sink: String) async throws {
        try await fixture.pool.execute(
            "UPDATE countersign.notification_sink SET seen_at = now() - interval '2 days' WHERE name = \(sink)::text")
        try await fixture.pool.execute(
            "UPDATE countersign.outbox SET occurred_at = now() - interval '2 days' WHERE sink = \(sink)::text")
    }

    @Test func `a daemon of an older configuration leaves a newer one's receivers alone`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let (old, added) = (try sink(server), try sink(server, name: "added"))
        let (_, outbox, http) = try await delivery(fixture, old, added)
        defer { http.shutdown() }
        try await sign(fixture, "app")
        #expect(try await waiting(fixture) == 2)
        // starts with the older configuration, and goes on with it
        try await outbox.register([old])
        try await age(fixture, "added")
        // the newer daemon is alive
        try await outbox.renew([old, added])
        try await outbox.renew([old])
        #expect(try await waiting(fixture) == 2)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.notification_sink") == 2)
        // and is no more
        try await age(fixture, "added")
        try await outbox.renew([old])
        #expect(try await waiting(fixture) == 1)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.notification_sink") == 1)
    }

    @Test func `the types of a receiver are those of the daemon that started last`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let (_, outbox, http) = try await delivery(fixture, try sink(server))
        defer { http.shutdown() }
        let narrow = try sink(server) { $0.types = [.failed] }
        try await outbox.register([narrow])
        try await outbox.renew([try sink(server)])
        #expect(
            try await fixture.number("SELECT cardinality(types) FROM countersign.notification_sink") == 1)
    }

    @Test func `a receiver that left the configuration leaves nothing behind`() async throws {
        let server = try LoopbackServer { _ in .answer(200) }
        defer { server.stop() }
        let fixture = try await QueueFixture()
        let (_, outbox, http) = try await delivery(fixture, try sink(server))
        defer { http.shutdown() }
        try await sign(fixture, "app")
        #expect(try await waiting(fixture) == 1)
        try await outbox.register([])
        #expect(try await waiting(fixture) == 1, "a restart later another daemon may have it again")
        try await age(fixture, "platform")
        try await outbox.register([])
        #expect(try await waiting(fixture) == 0)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.notification_sink") == 0)
    }
}
