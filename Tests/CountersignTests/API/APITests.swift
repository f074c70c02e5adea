import Curl
import FoundationEssentials
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct APITests {
    @Test(arguments: [
        "/v1/jobs", "/v1/dead-letters", "/v1/endpoints", "/v1/policy",
        "/v1/artifacts?ref=registry.example.com/team/app:v1",
    ])
    func `reading needs a token, unless the configuration lets everybody read`(path: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.get(path)
            #expect(answer.status == 401)
            #expect(answer.headers["WWW-Authenticate"] == "Bearer")
            #expect(try JSONValue(parsing: answer.body)["code"]?.text == "api.token_missing")
            #expect(try await doors.get(path, token: "cs_viewer_unknown").status == 401)
            #expect(doors.metrics.apiRefused.value("api.token_unknown") == 1)
            _ = try await doors.deliver(envelope(notification()))
            #expect(try await doors.get(path, token: doors.token(.viewer)).status == 200)
        }
        try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = true }) { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            #expect(try await doors.get(path).status == 200)
            #expect(try await doors.get(path, token: "cs_viewer_unknown").status == 401)
        }
    }

    @Test func `commands need the operator, whatever may be read`() async throws {
        try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = true }) { (doors) async throws in
            let body = Array(#"{"references": ["registry.example.com/team/app:v1"]}"#.utf8)
            #expect(try await doors.send(.post, .api, "/v1/sign", body: body).status == 401)
            let viewer = try await sign(doors, body, token: doors.token(.viewer))
            #expect(viewer.status == 403)
            #expect(try JSONValue(parsing: viewer.body)["code"]?.text == "api.forbidden")
            #expect(try await doors.queue.jobCount() == 0)
            #expect(try await sign(doors, body, token: doors.token(.operator)).status == 202)
            #expect(try await sign(doors, body, token: doors.token(.admin)).status == 202)
            #expect(try await doors.queue.jobCount() == 2)
        }
    }

    @Test func `signing by hand obeys the policy and the lists`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let digest = sampleDigest("by hand")
            let references = [
                "registry.example.com/team/app:v1@\(digest)", "registry.example.com/other/app:v1",
                "registry.example.com/team/app@\(sampleDigest("by digest"))", "evil.example.com/team/app:v1",
            ]
            let list = references.map { "\"\($0)\"" }.joined(separator: ",")
            let answer = try await sign(doors, Array("{\"references\": [\(list)]}".utf8), token: doors.token(.operator))
            guard case .array(let items)? = try JSONValue(parsing: answer.body)["items"] else {
                throw SupportError("no items")
            }
            #expect(items.map { $0["verdict"]?.text } == ["accepted", "refused", "accepted", "refused"])
            #expect(items.map { $0["reference"]?.text } == references)
            #expect(try await doors.queue.state(digest) == "queued")
            #expect(
                try await doors.queue.text("SELECT actor FROM countersign.event WHERE verdict = 'accepted'")
                    == "operator")
            let lane = try await doors.queue.number("SELECT max(lane)::bigint FROM countersign.job")
            #expect(lane == Int(Lane.default.rawValue))
        }
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"references": []}"#, #"{"references": [1]}"#, #"{"references": ["no reference"]}"#,
        #"{"references": ["registry.example.com/team/app"]}"#,
    ]) func `a request to sign that makes no sense is refused whole`(body: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await sign(doors, Array(body.utf8), token: doors.token(.operator))
            #expect(answer.status == 400)
            #expect(try await doors.events() == 0)
        }
    }

    @Test func `an artifact is found by digest and by tag, in any spelling of its registry`() async throws {
        try await DoorsFixture.withDoors(.doors { $0.registries[0].aliases = ["inside.example.com:5000"] }) {
            (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            let token = try await doors.token(.viewer)
            let digest = sampleDigest("image")
            for reference in [
                "registry.example.com/team/app@\(digest)", "registry.example.com/team/app:v1",
                "registry.example.com%2Fteam%2Fapp%3Av1",
                "inside.example.com:5000/team/app:v1",
            ] {
                let answer = try await doors.get("/v1/artifacts?ref=\(reference)", token: token)
                #expect(answer.status == 200, "\(reference)")
                let artifact = try JSONValue(parsing: answer.body)
                #expect(artifact["state"]?.text == "queued")
                #expect(artifact["reference"]?.text == "registry.example.com/team/app@\(digest)")
                #expect(artifact["rule"]?.text == "team")
                #expect(artifact["policy_version"]?.text == SigningPolicy(Configuration.doors).version)
                #expect(artifact["signature"] == nil)
            }
        }
    }

    @Test func `a refused push says why, and what to do`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification(repository: "other/app")))
            let reference = "registry.example.com/other/app@\(sampleDigest("image"))"
            let answer = try await doors.get("/v1/artifacts?ref=\(reference)", token: doors.token(.viewer))
            let artifact = try JSONValue(parsing: answer.body)
            #expect(artifact["state"]?.text == "refused")
            #expect(artifact["last_error"]?["observed"]?.text == "repository is outside the list of endpoint 'main'")
            #expect(artifact["last_error"]?["fix"]?.text?.isEmpty == false)
        }
    }

    @Test(arguments: [
        ("/v1/artifacts?state=x", 400, "api.bad_parameter"), ("/v1/artifacts?since=x", 400, "api.bad_parameter"),
        ("/v1/events?verdict=x", 400, "api.bad_parameter"), ("/v1/events?before=1", 400, "api.bad_parameter"),
        ("/v1/repositories?limit=101", 400, "api.bad_parameter"), ("/v1/jobs/9", 404, "job.unknown"),
        ("/v1/artifacts?ref=x", 400, "reference.malformed"),
        ("/v1/artifacts?ref=registry.example.com/a", 400, "reference.incomplete"),
        ("/v1/artifacts?ref=registry.example.com/a:v1", 404, "artifact.unknown"),
        ("/v1/artifacts?ref=registry.example.com/a:v1&wait=soon", 400, "api.bad_parameter"),
        ("/v1/jobs?state=signed", 400, "api.bad_parameter"), ("/v1/jobs?limit=0", 400, "api.bad_parameter"),
        ("/v1/jobs?before=x", 400, "api.bad_parameter"), ("/v1/jobs?before=0", 400, "api.bad_parameter"),
        ("/v1/jobs?repository=x", 400, "api.bad_parameter"),
        ("/v1/nothing", 404, "http.not_found"),
    ]) func `every refusal is a problem document with a code`(path: String, status: Int, code: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.get(path, token: doors.token(.viewer))
            #expect(answer.status == status)
            #expect(answer.headers["Content-Type"] == "application/problem+json")
            #expect(try JSONValue(parsing: answer.body)["code"]?.text == code)
        }
    }

    @Test func `a waiting reader is answered when the state is final, also where the push comes later`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.viewer)
            let reference = "registry.example.com/team/app@\(sampleDigest("image"))"
            async let waited = doors.get("/v1/artifacts?ref=\(reference)&wait=60s", token: token)
            _ = try await doors.deliver(envelope(notification()))
            #expect(try await doors.queue.cancelAll() == [.cancelled])
            let answer = try await waited
            #expect(try JSONValue(parsing: answer.body)["state"]?.text == "cancelled")
            #expect(answer.elapsed < .seconds(50))
        }
    }

    @Test func `a reader does not wait beyond the daemon's own end`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            let token = try await doors.token(.viewer)
            let reference = "registry.example.com/team/app@\(sampleDigest("image"))"
            async let waited = doors.get("/v1/artifacts?ref=\(reference)&wait=60s", token: token)
            try await eventually("the reader waits") { doors.metrics.apiWaiters.value() == 1 }
            await doors.stop()
            let answer = try await waited
            #expect(try JSONValue(parsing: answer.body)["state"]?.text == "queued")
            #expect(answer.elapsed < .seconds(50))
        }
    }

    @Test func `only so many readers may wait at once, and the others are told`() async throws {
        try await DoorsFixture.withDoors(.doors { $0.api.maxWaiters = 1 }) { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            let token = try await doors.token(.viewer)
            let path = "/v1/artifacts?ref=registry.example.com/team/app@\(sampleDigest("image"))"
            async let waited = doors.get(path + "&wait=60s", token: token)
            try await eventually("the reader waits") { doors.metrics.apiWaiters.value() == 1 }
            let second = try await doors.get(path + "&wait=60s", token: token)
            #expect(second.status == 503)
            #expect(try JSONValue(parsing: second.body)["code"]?.text == "api.too_many_waiters")
            #expect(try await doors.get(path, token: token).status == 200)
            await doors.stop()
            #expect(try await waited.status == 200)
        }
    }

    @Test func `jobs come in pages, newest first`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.viewer)
            for number in 0..<3 { _ = try await doors.deliver(envelope(notification("image \(number)"))) }
            let first = try JSONValue(parsing: try await doors.get("/v1/jobs?limit=2", token: token).body)
            guard case .array(let jobs)? = first["jobs"], let next = first["next"]?.integer else {
                throw SupportError("no first page")
            }
            #expect(jobs.map { $0["digest"]?.text } == [2, 1].map { sampleDigest("image \($0)").description })
            let second = try JSONValue(
                parsing:
                    try await doors.get(
                        "/v1/jobs?limit=2&before=\(next)&state=queued&repository=registry.example.com/team/app",
                        token: token
                    ).body)
            guard case .array(let rest)? = second["jobs"] else { throw SupportError("no second page") }
            #expect(rest.count == 1)
            #expect(second["next"] == nil)
        }
    }

    @Test func `endpoints show what was delivered and what failed`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            _ = try await doors.deliver("nonsense")
            _ = try await doors.deliver(envelope(notification(action: "pull")))
            let answer = try JSONValue(parsing: try await doors.get("/v1/endpoints", token: doors.token(.viewer)).body)
            guard case .array(let endpoints)? = answer["endpoints"], let main = endpoints.first else {
                throw SupportError("no endpoints")
            }
            #expect(main["deliveries"]?["stored"]?.integer == 1)
            #expect(main["deliveries"]?["intake.malformed"]?.integer == 1)
            #expect(main["deliveries"]?["ignored"]?.integer == 1)
            #expect(main["ignored"]?["action"]?.integer == 1)
        }
    }

    @Test func `the queue can be read from the metrics`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            let text = String(decoding: try await doors.get("/metrics", .operations).body, as: UTF8.self)
            #expect(text.contains(#"countersign_queue_jobs{lane="live",state="queued"} 1"#))
            #expect(text.contains(#"countersign_queue_oldest_age_seconds{lane="live"}"#))
            #expect(text.contains(#"countersign_delivery_seconds_bucket{endpoint="main",le="+Inf"} 1"#))
            #expect(text.contains("countersign_database_up 1"))
        }
    }

    private func sign(_ doors: DoorsFixture, _ body: [UInt8], token: String) async throws -> HTTPResponse {
        try await doors.send(.post, .api, "/v1/sign", headers: ["Authorization": "Bearer \(token)"], body: body)
    }
}

@Suite struct MetricsTests {
    @Test func `a histogram counts into cumulated buckets`() {
        let registry = MetricsRegistry()
        let histogram = registry.histogram("x_seconds", "X.", labels: ["a"], buckets: [0.1, 1])
        histogram.observe(0.1, "p")
        histogram.observe(.milliseconds(500), "p")
        histogram.observe(7, "p")
        let lines = registry.render().split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "# HELP x_seconds X.", "# TYPE x_seconds histogram", #"x_seconds_bucket{a="p",le="0.1"} 1"#,
                #"x_seconds_bucket{a="p",le="1"} 2"#, #"x_seconds_bucket{a="p",le="+Inf"} 3"#,
                #"x_seconds_sum{a="p"} 7.6"#,
                #"x_seconds_count{a="p"} 3"#,
            ])
    }

    @Test func `labels are escaped and their number is bounded`() {
        let registry = MetricsRegistry()
        let counter = registry.counter("c_total", "C.", labels: ["a"])
        counter.increment("q\"b\\s\nn")
        #expect(registry.render().contains(#"c_total{a="q\"b\\s\nn"} 1"#))
        for number in 0..<2000 { counter.increment("\(number)") }
        #expect(counter.series.count <= MetricFamily.maxSeries + 1)
        #expect(counter.value("other") > 1000)
    }

    @Test func `what the configuration names is shown before it happens, however much that is`() {
        let registry = MetricsRegistry()
        let counter = registry.counter("c_total", "C.", labels: ["a"])
        for number in 0..<(MetricFamily.maxSeries + 100) { counter.initialize("\(number)") }
        #expect(registry.render().contains(#"c_total{a="599"} 0"#))
        counter.increment("599")
        counter.initialize("599")
        #expect(counter.value("599") == 1)
    }

    @Test func `counters never go back, and a cleared gauge is absent`() {
        let registry = MetricsRegistry()
        let counter = registry.counter("c_total", "C.")
        counter.advance(to: 5)
        counter.advance(to: 3)
        counter.increment(by: -2)
        #expect(registry.render().contains("c_total 5\n"))
        let gauge = registry.gauge("g", "G.")
        gauge.set(2.5)
        #expect(registry.render().contains("g 2.5\n"))
        gauge.clear()
        #expect(!registry.render().contains("\ng "))
    }
}
