import Curl
import FoundationEssentials
import OCI
import Postgres
import StrictJSON
import Support
import Synchronization
import Testing

@testable import Countersign

@Suite struct WebhookTests {
    @Test func `a push is stored before it is answered, and nothing of the sender's links stays`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.deliver(envelope(notification()))
            #expect(answer.status == 202)
            #expect(
                String(decoding: answer.body, as: UTF8.self) == #"{"accepted":1,"ignored":0,"known":0,"refused":0}"#)
            #expect(try await doors.queue.state(sampleDigest("image")) == "queued")
            #expect(try await doors.queue.jobCount() == 1)
            let body = try await doors.queue.text("SELECT convert_from(body, 'UTF8') FROM countersign.event")
            #expect(body?.contains("hunter2") == false)
            #expect(body?.contains("192.0.2.7") == false)
            #expect(body?.contains("docker/27") == true)
            #expect(doors.metrics.deliveries.value("main", "stored") == 1)
            let again = try await doors.deliver(envelope(notification()))
            #expect(String(decoding: again.body, as: UTF8.self).contains(#""known":1"#))
        }
    }

    @Test(arguments: [
        ("not json", 400, "intake.malformed"), ("", 400, "intake.malformed"),
        ("{\"events\": [}", 400, "intake.malformed"),
        ("[]", 400, "intake.malformed"), ("{\"events\": 1}", 400, "intake.malformed"),
        ("{\"events\": [], \"events\": []}", 400, "intake.malformed"),
        (
            "{\"a\":" + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "}", 400,
            "intake.malformed"
        ),
        ("{\"events\": [\"\\ud800\"]}", 400, "intake.malformed"),
        (
            envelope(
                notification("0"), notification("1"), notification("2"), notification("3"), notification("4"),
                notification("5"),
                notification("6"), notification("7"), notification("8"), notification("9"), notification("10")), 400,
            "intake.too_many_events"
        ),
        (String(repeating: " ", count: 70_000), 413, "intake.too_large"),
    ]) func `a bad body is refused with its reason and stores nothing`(body: String, status: Int, code: String)
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.deliver(body)
            #expect(answer.status == status)
            #expect(answer.headers["Content-Type"] == "application/problem+json")
            let problem = try JSONValue(parsing: answer.body)
            #expect(problem["code"]?.text == code)
            #expect(problem["status"]?.integer == status)
            #expect(problem["detail"]?.text?.isEmpty == false)
            #expect(try await doors.events() == 0)
            #expect(try await doors.queue.jobCount() == 0)
            #expect(doors.metrics.deliveries.value("main", code) == 1)
        }
    }

    @Test(arguments: [
        nil, "", "Bearer wrong", "Bearer first-secre", "bearer first-secret", "first-secret",
    ])
    func `without the whole secret a delivery is not even parsed`(secret: String?) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            for body in [envelope(notification()), "not json"] {
                #expect(try await doors.deliver(body, secret: secret).status == 401)
            }
            #expect(try await doors.events() == 0)
            #expect(doors.metrics.deliveries.value("main", "intake.unauthorized") == 2)
        }
    }

    @Test func `how late a registry tells is noticed, also of what is ignored`() async throws {
        let told = Mutex<[(registry: String, delay: Duration)]>([])
        let metrics = ServiceMetrics()
        let intake = Intake(
            .doors, policy: SigningPolicy(.doors), metrics: metrics, logger: SigningDaemon.silence,
            heard: { registry, delay in told.withLock { $0.append((registry, delay)) } }
        ) { _ throws(QueueError) in throw .unreadable(table: "none", what: "nothing is to be stored") }
        let sender = try intake.admit(to: "main", head: ["Authorization": "second-secret"])
        func deliver(_ timestamp: String) async throws {
            let own = notification(tag: "sha256-\(sampleDigest("image").hex)").replacing(
                #""action""#, with: #""timestamp": "\#(timestamp)", "action""#)
            #expect(try await intake.receive(Array(envelope(own).utf8), from: sender).ignored == 1)
        }
        try await deliver((Date.now - 90).formatted(.iso8601))
        try await deliver("yesterday")
        #expect(told.withLock { $0.map(\.registry) } == ["registry.example.com"])
        let delay = try #require(told.withLock { $0.first?.delay })
        #expect(delay > .seconds(89) && delay < .seconds(120))
    }

    @Test func `both secrets are good while one replaces the other`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            #expect(try await doors.deliver(envelope(notification("a"))).status == 202)
            #expect(try await doors.deliver(envelope(notification("b")), secret: "second-secret").status == 202)
            #expect(try await doors.events() == 2)
        }
    }

    @Test func `an unknown endpoint is no label and stores nothing`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            #expect(try await doors.deliver(envelope(notification()), to: "nobody").status == 404)
            #expect(try await doors.get("/webhooks/main", .webhooks).status >= 400)
            #expect(doors.metrics.deliveries.value("unknown", "intake.unknown_endpoint") == 1)
            #expect(!doors.metrics.registry.render().contains("\"nobody\""))
        }
    }

    @Test func `what is understood and ignored is answered 202 and only counted`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let hex = sampleDigest("image").hex
            let ignored = [
                notification(action: "pull"), notification(action: "mount"), notification(action: "delete"),
                notification(mediaType: "application/octet-stream"), notification(tag: "sha256-\(hex)"),
                notification(tag: "sha256-\(hex).sig"), "{}", "7",
            ]
            for event in ignored { #expect(try await doors.deliver(envelope(event)).status == 202) }
            #expect(try await doors.deliver("{}").status == 202)
            #expect(try await doors.events() == 0)
            #expect(doors.metrics.events.value("main", "ignored") == 8)
            #expect(doors.metrics.ignored.value("main", "signer_tag") == 2)
            #expect(doors.commits.all == [])
        }
    }

    @Test func `what is not ours to sign is answered 202 and recorded as refused, without a target`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let refused = [
                notification("a", host: "evil.example.com"), notification("b", repository: "other/app"),
                notification("c", repository: "team/../x"), notification("d", host: "169.254.169.254"),
            ]
            for event in refused { #expect(try await doors.deliver(envelope(event)).status == 202) }
            #expect(try await doors.events("refused") == 4)
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.target") == 0)
            #expect(try await doors.queue.jobCount() == 0)
            let reason = try await doors.queue.text(
                "SELECT reason FROM countersign.event WHERE registry = 'evil.example.com'")
            #expect(reason == "host 'evil.example.com' is not registry.example.com or an alias of it")
        }
    }

    @Test func `several events of one delivery are one commit, each with its verdict`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.deliver(
                envelope(
                    notification("a"), notification("b", action: "pull"), notification("c", repository: "other/x"),
                    notification("d", tag: nil)))
            #expect(
                String(decoding: answer.body, as: UTF8.self) == #"{"accepted":1,"ignored":1,"known":0,"refused":2}"#)
            #expect(doors.commits.all == [3])
        }
    }

    @Test func `a sender without the secret is sent away before his body`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let connection = try RawConnection(port: doors.ports[.webhooks] ?? 0)
            connection.send("POST /webhooks/main HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n")
            connection.send("Content-Length: 60000\r\n\r\n{")
            // The rest never comes, and the read timeout closes without an answer
            let answer = try await connection.receive()
            #expect(answer.hasPrefix("HTTP/1.1 401"))
            #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
            #expect(doors.metrics.deliveries.value("main", "intake.unauthorized") == 1)
        }
    }

    @Test func `what a sender writes into names does not keep his delivery out`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let odd = notification("odd", tag: "sha256:" + String(repeating: "a", count: 300))
                .replacing(#""name": "ci""#, with: #""name": "\u0000\#(String(repeating: "x", count: 5000))""#)
            let answer = try await doors.deliver(envelope(odd, notification("other", repository: "\\u0000")))
            #expect(answer.status == 202)
            #expect(try await doors.events() == 2)
        }
    }

    @Test func `an event that cannot be stored is refused by itself, and the others are kept`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await doors.queue.pool.withSession { session in
                _ = try session.execute(
                    Query(unsafeSQL: "ALTER TABLE countersign.event ADD CHECK (digest <> '\(sampleDigest("bad"))')"))
            }
            let answer = try await doors.deliver(
                envelope(notification("a"), notification("bad"), notification("c")))
            #expect(
                String(decoding: answer.body, as: UTF8.self) == #"{"accepted":2,"ignored":0,"known":0,"refused":1}"#)
            #expect(try await doors.queue.jobCount() == 2)
            let reason = try await doors.queue.text("SELECT reason FROM countersign.event WHERE verdict = 'refused'")
            #expect(reason?.contains("cannot be stored") == true)
        }
    }

    @Test func `a body of unknown length is refused while it streams`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let connection = try RawConnection(port: doors.ports[.webhooks] ?? 0)
            connection.send("POST /webhooks/main HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer first-secret\r\n")
            connection.send("Transfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<20 { connection.send("1000\r\n" + String(repeating: " ", count: 4096) + "\r\n") }
            // The last chunk never comes: an answer means that the daemon did not wait for it
            let answer = try await connection.receive()
            #expect(answer.hasPrefix("HTTP/1.1 413"))
            #expect(try await doors.events() == 0)
            #expect(doors.metrics.deliveries.value("main", "intake.too_large") == 1)
        }
    }

    @Test func `fifty deliveries at once share commits, and none is lost`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<50 {
                    group.addTask { try await doors.deliver(envelope(notification("image \(number)"))).status }
                }
                for try await status in group { #expect(status == 202) }
            }
            #expect(try await doors.queue.jobCount() == 50)
            let commits = doors.commits.all
            #expect(commits.reduce(0, +) == 50)
            #expect(commits.count < 50)
        }
    }

    @Test func `without the database a delivery is sent away with a time to come back, and is taken then`() async throws
    {
        let cluster = try await PostgresCluster()
        let database = try await cluster.database(migratedFrom: "migrations")
        try await DoorsFixture.withDoors(cluster: database) { (doors) async throws in
            #expect(try await doors.get("/readyz", .operations).status == 200)
            try await cluster.stopImmediately()
            let answer = try await doors.deliver(envelope(notification()))
            #expect(answer.status == 503)
            #expect(answer.retryAfter == .seconds(5))
            #expect(try JSONValue(parsing: answer.body)["code"]?.text == "intake.unavailable")
            #expect(try await doors.get("/healthz", .operations).status == 200)
            #expect(try await doors.get("/readyz", .operations).status == 503)
            let metrics = String(decoding: try await doors.get("/metrics", .operations).body, as: UTF8.self)
            #expect(metrics.contains("countersign_database_up 0"))
            #expect(metrics.contains(#"countersign_deliveries_total{endpoint="main",result="intake.unavailable"} 1"#))
            // Nothing to store: no database needed
            #expect(try await doors.deliver(envelope(notification(action: "pull"))).status == 202)
            try await cluster.startAgain()
            try await eventually("the delivery is taken") {
                try await doors.deliver(envelope(notification())).status == 202
            }
        }
    }

    @Test func `an endpoint cannot move the tags of another registry`() async throws {
        let other = RegistryConfiguration(name: "prod.example.com", upstream: .init(url: "https://prod.example.com"))
        try await DoorsFixture.withDoors(.doors { $0.registries.append(other) }) { (doors) async throws in
            let repository = try Repository(registry: "prod.example.com", name: "team/app")
            let digest = sampleDigest("prod")
            var push = samplePush(digest, tag: "v1")
            push.registry = repository.registry
            try await doors.queue.push(push)
            _ = try await doors.deliver(envelope(notification(host: "prod.example.com")))
            #expect(try await doors.events("refused") == 1)
            #expect(try await doors.queue.records.status(ofTag: "v1", in: repository)?.digest == digest)
            // what its own registry pushed and policy refused does move the tag
            _ = try await doors.deliver(envelope(notification("allowed")))
            var refused = samplePush(sampleDigest("refused"), tag: "v1")
            (refused.registry, refused.verdict) = ("registry.example.com", .refused(reason: "not allowed"))
            try await doors.queue.push(refused)
            let own = try Repository(registry: "registry.example.com", name: "team/app")
            #expect(try await doors.queue.records.status(ofTag: "v1", in: own)?.state == .refused)
        }
    }
}
