import Curl
import OCI
import OpenSSL
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Batches over the API: who may, in which form, and what is answered.
@Suite struct BatchesTests {
    private func post(
        _ doors: DoorsFixture, _ path: String, _ body: String = "{}", token: String?, key: String? = "k"
    ) async throws -> HTTPResponse {
        var headers: HTTPHeaders = [:]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        if let key { headers["Idempotency-Key"] = key }
        return try await doors.send(.post, .api, path, headers: headers, body: Array(body.utf8))
    }

    private func code(_ response: HTTPResponse) -> String? {
        (try? JSONValue(parsing: response.body))?["code"]?.text
    }

    private static func list(_ seeds: String..., extra: String = "") -> String {
        let references = seeds.map { "\"registry.example.com/team/app@\(sampleDigest($0))\"" }
        return "{\"references\":[\(references.joined(separator: ","))]\(extra)}"
    }

    @Test(arguments: [
        "/v1/batches", "/v1/resign", "/v1/batches/1/cancel", "/v1/batches/1/resume", "/v1/batches/1/retry-failed",
    ])
    func `batches need the operator, whatever may be read`(path: String) async throws {
        try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = true }) { (doors) async throws in
            let body = Self.list("a", extra: #","reason":"x""#)
            #expect(try await post(doors, path, body, token: nil).status == 401)
            for role in [APITokens.Role.viewer] {
                let answer = try await post(doors, path, body, token: doors.token(role))
                #expect(answer.status == 403 && code(answer) == "api.forbidden")
            }
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.batch") == 0)
        }
    }

    @Test func `who is confined asks within its scope, and sees and commands what it asked for itself`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator, of: "registry.example.com/team/**")
            let neighbour = try await doors.token(.operator, of: "registry.example.com/*/app")
            let everywhere = try await doors.token(.operator)
            let foreign = #"{"references":["registry.example.com/else/app@\#(sampleDigest("a"))"]}"#
            let refused = try await post(doors, "/v1/batches", foreign, token: token)
            #expect(refused.status == 403 && code(refused) == "api.out_of_scope")
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.batch") == 0)

            #expect(try await post(doors, "/v1/batches", Self.list("a"), token: token).status == 202)
            #expect(try await post(doors, "/v1/batches", Self.list("b"), token: everywhere).status == 202)
            let listed = try JSONValue(parsing: try await doors.get("/v1/batches", token: token).body)
            guard case .array(let own)? = listed["batches"] else { throw SupportError("no batches") }
            #expect(own.map { $0["id"]?.integer } == [1])
            #expect(try await doors.get("/v1/batches/1", token: token).status == 200)
            for path in ["/v1/batches/2", "/v1/batches/2/events"] {
                #expect(try await doors.get(path, token: token).status == 404, "\(path)")
            }
            #expect(try await doors.get("/v1/batches/1", token: neighbour).status == 404)
            #expect(try await post(doors, "/v1/batches/2/cancel", token: token).status == 404)
            #expect(try await post(doors, "/v1/batches/1/approve", token: token).status == 403)
            #expect(try await post(doors, "/v1/batches/1/cancel", token: token).status == 202)
            #expect(try await doors.get("/v1/batches/1", token: everywhere).status == 200)
        }
    }

    @Test func `a selector of who is confined selects within its scope`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            for repository in ["team/app", "else/app"] {
                try await doors.queue.push(samplePush(sampleDigest(repository), repository: repository))
            }
            var selector = BatchSelector()
            selector.scope = try TokenScope(repositories: ["registry.example/team/**"], predicateTypes: ["*"])
            let found = try await BatchSelection(pool: doors.queue.pool).subjects(selector, signedOnly: false)
            #expect(found?.map(\.repository.name) == ["team/app"])
        }
    }

    @Test func `a batch is stored before it is answered, and shows its members by pages`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let stored = try await post(doors, "/v1/batches", Self.list("a", "b", "c"), token: token)
            #expect(stored.status == 202 && stored.headers["Location"] == "/v1/batches/1")
            let answer = try JSONValue(parsing: stored.body)
            #expect(answer["members"]?.integer == 3 && answer["progress"]?["counts"]?["pending"]?.integer == 3)
            // repeated, it is the same one; another one under its key is not taken
            let again = try await post(doors, "/v1/batches", Self.list("a", "b", "c"), token: token)
            #expect(again.status == 202 && again.headers["Location"] == "/v1/batches/1")
            let other = try await post(doors, "/v1/batches", Self.list("a"), token: token)
            #expect(other.status == 422 && code(other) == "batch.key_reused")
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.batch") == 1)

            let page = try JSONValue(
                parsing: try await doors.get("/v1/batches/1?limit=2", token: token).body)
            guard case .array(let items)? = page["items"] else { throw SupportError("no items") }
            #expect(items.map { $0["ordinal"]?.integer } == [0, 1] && page["next"]?.integer == 1)
            let rest = try JSONValue(
                parsing: try await doors.get("/v1/batches/1?limit=2&after=1", token: token).body)
            guard case .array(let last)? = rest["items"] else { throw SupportError("no items") }
            #expect(last.map { $0["ordinal"]?.integer } == [2] && rest["next"] == nil)
            #expect(try await doors.get("/v1/batches/1?after=-1", token: token).status == 400)
            let batches = try JSONValue(parsing: try await doors.get("/v1/batches", token: token).body)
            guard case .array(let all)? = batches["batches"] else { throw SupportError("no batches") }
            #expect(all.count == 1)
        }
    }

    @Test func `a dry run says what would be done and writes nothing`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await doors.deliver(envelope(notification("known")))
            let references = [
                "registry.example.com/team/app@\(sampleDigest("known"))",
                "registry.example.com/team/app@\(sampleDigest("new"))",
                "registry.example.com/secret/app@\(sampleDigest("new"))", "registry.example.com/team/app:v7",
                "elsewhere.example/team/app:v1",
            ]
            let list = references.map { "\"\($0)\"" }.joined(separator: ",")
            let answer = try await post(
                doors, "/v1/batches", #"{"dry_run":true,"references":[\#(list)]}"#,
                token: doors.token(.operator), key: nil)
            #expect(answer.status == 200)
            let document = try JSONValue(parsing: answer.body)
            guard case .array(let items)? = document["items"] else { throw SupportError("no items") }
            #expect(items.map { $0["plan"]?.text } == ["join", "sign", "refuse", "resolve", "refuse"])
            for table in ["batch", "batch_member", "audit WHERE action NOT LIKE 'token.%'"] {
                #expect(
                    try await doors.queue.number(Query(unsafeSQL: "SELECT count(*) FROM countersign.\(table)")) == 0)
            }
        }
    }

    @Test(arguments: [
        ("{}", "api.malformed"), ("[]", "api.malformed"), (#"{"references":[]}"#, "api.malformed"),
        (#"{"references":["registry.example.com/team/app"]}"#, "reference.incomplete"),
        (#"{"references":["nothing"]}"#, "reference.malformed"), (#"{"selector":{}}"#, "api.malformed"),
        (#"{"selector":{"repositry":"**"}}"#, "api.malformed"),
        (#"{"selector":{"unsigned":true,"identity":"a"}}"#, "api.malformed"),
        (#"{"selector":{"signed_before":"yesterday"}}"#, "api.malformed"),
        (#"{"selector":{"repository":"***"}}"#, "api.malformed"),
        (#"{"selector":{"unsigned":true},"references":["a.example/b:c"]}"#, "api.malformed"),
        (#"{"selector":{"unsigned":true},"formats":["gpg"]}"#, "api.malformed"),
        (#"{"selector":{"unsigned":true},"old":"keep"}"#, "api.malformed"),
        (#"{"selector":{"unsigned":true},"groups":{"max_subjects":2}}"#, "api.malformed"),
    ])
    func `what is misspelt is refused, never passed over`(body: String, expected: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await post(doors, "/v1/batches", body, token: doors.token(.operator))
            #expect(answer.status == 400 && code(answer) == expected)
        }
    }

    @Test func `a request without a key, of another policy, or too long is refused`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let keyless = try await post(doors, "/v1/batches", Self.list("a"), token: token, key: nil)
            #expect(keyless.status == 400 && code(keyless) == "batch.key_missing")
            let older = try await post(
                doors, "/v1/batches", Self.list("a", extra: #","policy_version":"p-0""#), token: token)
            #expect(older.status == 409 && code(older) == "batch.policy_version")
            let reasonless = try await post(doors, "/v1/resign", Self.list("a"), token: token)
            #expect(reasonless.status == 400)
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.batch") == 0)
        }
    }

    @Test func `a request that is repeated is its batch, though the policy that it insists on has gone`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let body = Self.list("a", extra: #","policy_version":"p-0""#)
            let principal = try #require(try await APITokens(pool: doors.queue.pool).authenticate(token))
            let request = try RequestedBatch(Array(body.utf8), .sign, registries: []).request
            guard case .list(let subjects) = request.subjects else { throw SupportError("no list") }
            // as it was stored while there was that policy
            let stored = try await BatchRecords(pool: doors.queue.pool).store(
                subjects, request, selector: nil,
                from: .init(
                    principal: principal, key: "k", fingerprint: Hash.sha256(Array("sign\u{0}\(body)".utf8))))
            guard case .stored = stored else { throw SupportError("not stored") }
            let again = try await post(doors, "/v1/batches", body, token: token)
            #expect(again.status == 202 && again.headers["Location"] == "/v1/batches/1")
            let other = try await post(doors, "/v1/batches", body, token: token, key: "another")
            #expect(other.status == 409 && code(other) == "batch.policy_version")
            let dry = try await post(
                doors, "/v1/batches", Self.list("a", extra: #","policy_version":"p-0","dry_run":true"#), token: token)
            #expect(dry.status == 409)
        }
    }

    @Test func `commands say when they do not apply`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            #expect(try await post(doors, "/v1/batches/7/cancel", token: token).status == 404)
            #expect(try await post(doors, "/v1/batches/x/cancel", token: token).status == 400)
            _ = try await post(doors, "/v1/batches", Self.list("a"), token: token)
            let cancelled = try await post(doors, "/v1/batches/1/cancel", token: token)
            #expect(cancelled.status == 202)
            #expect(try JSONValue(parsing: cancelled.body)["state"]?.text == "cancelled")
            let retried = try await post(doors, "/v1/batches/1/retry-failed", token: token)
            #expect(retried.status == 409 && code(retried) == "batch.state")
            #expect(try await post(doors, "/v1/batches/1/resume", token: token).status == 202)
            let acts = try await AuditLog(pool: doors.queue.pool).latest(10).filter { $0.action.hasPrefix("batch.") }
            #expect(
                acts.filter { $0.outcome == .accepted }.map(\.action) == ["batch.resume", "batch.cancel", "batch.sign"])
            #expect(
                acts.filter { $0.outcome == .refused }.map(\.code) == [
                    "batch.state", "api.bad_parameter", "batch.unknown",
                ])
        }
    }

    @Test func `listeners are told of the end, and let go when the daemon stops`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await post(doors, "/v1/batches", Self.list("a"), token: token)
            try await doors.queue.pool.execute("UPDATE countersign.batch SET state = 'done', ended_at = now()")
            let ended = try await doors.get("/v1/batches/1/events", token: token)
            #expect(ended.status == 200 && ended.headers["Content-Type"] == "text/event-stream")
            #expect(String(decoding: ended.body, as: UTF8.self).hasPrefix("event: end\ndata: {"))

            try await doors.queue.pool.execute("UPDATE countersign.batch SET state = 'running', ended_at = NULL")
            async let told = doors.get("/v1/batches/1/events", token: token)
            while !doors.metrics.registry.render().contains("countersign_api_listeners 1") {
                try await Task.sleep(for: .milliseconds(5))
            }
            await doors.stop()
            #expect(String(decoding: try await told.body, as: UTF8.self).hasPrefix("event: progress\ndata: {"))
        }
    }

    @Test func `a listener is told nothing more once its token is revoked`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await post(doors, "/v1/batches", Self.list("a"), token: token)
            async let told = doors.get("/v1/batches/1/events", token: token)
            while !doors.metrics.registry.render().contains("countersign_api_listeners 1") {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(try await APITokens(pool: doors.queue.pool).revoke(name: "operator"))
            let answer = try await told
            #expect(answer.status == 200)
            #expect(!String(decoding: answer.body, as: UTF8.self).contains("event: end"))
        }
    }

    @Test func `grouping and rate are kept with the batch, and what cannot be is refused by name`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let extra = #","grouping":{"max_subjects":500,"across_repositories":true},"rate":120"#
            let stored = try await post(doors, "/v1/batches", Self.list("a", extra: extra), token: token)
            #expect(stored.status == 202)
            let answer = try JSONValue(parsing: stored.body)
            #expect(answer["grouping"]?["max_subjects"]?.integer == 500 && answer["rate"]?.integer == 120)
            #expect(answer["grouping"]?["across_repositories"] == .bool(true))
            let refused = [
                (#","grouping":{"max_subjects":0}"#, "api.malformed"),
                (#","grouping":{"max_subjects":1025}"#, "api.malformed"), (#","grouping":{}"#, "api.malformed"),
                (#","grouping":{"max_subjects":2,"most":1}"#, "api.malformed"), (#","rate":0"#, "api.malformed"),
                (#","grouping":{"max_subjects":2},"formats":["bundle","legacy"]"#, "batch.grouping_format"),
            ]
            for (extra, expected) in refused {
                let answer = try await post(doors, "/v1/batches", Self.list("a", extra: extra), token: token, key: "r")
                #expect(answer.status == 400 && code(answer) == expected, "\(extra)")
            }
        }
    }

    @Test func `where a rule wants the older format grouping says so, and is refused where it can be for none`()
        async throws
    {
        let configuration = Configuration.doors { configuration in
            var aside = configuration.policy.rules[0]
            (aside.name, aside.repositories) = ("aside", [glob("registry.example.com/team/bundles/**")])
            configuration.policy.rules[0].formats = [.bundle, .legacy]
            configuration.policy.rules.insert(aside, at: 0)
        }
        try await DoorsFixture.withDoors(configuration) { (doors) async throws in
            let token = try await doors.token(.operator)
            let grouping = #","grouping":{"max_subjects":10}"#
            for (number, extra) in ["", #","dry_run":true"#].enumerated() {
                let refused = try await post(
                    doors, "/v1/batches", Self.list("a", "b", extra: grouping + extra), token: token, key: "r\(number)")
                #expect(refused.status == 422 && code(refused) == "batch.grouping_legacy")
            }
            let bundles = grouping + #","formats":["bundle"]"#
            let stored = try await post(doors, "/v1/batches", Self.list("a", "b", extra: bundles), token: token)
            #expect(stored.status == 202)

            let mixed = ["team/app", "team/bundles/app"].map { "\"registry.example.com/\($0)@\(sampleDigest("a"))\"" }
            let answer = try await post(
                doors, "/v1/batches", #"{"references":[\#(mixed.joined(separator: ","))],"dry_run":true\#(grouping)}"#,
                token: token)
            #expect(answer.status == 200)
            let document = try JSONValue(parsing: answer.body)
            guard case .array(let items)? = document["items"] else { throw SupportError("no items") }
            #expect(items.map { $0["alone"]?["code"]?.text } == ["batch.grouping_legacy", nil])
            #expect(document["alone"]?.integer == 1)
        }
    }
}
