import Curl
import FoundationEssentials
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct ListTests {
    private func list(_ doors: DoorsFixture, _ path: String, _ member: String, token: String) async throws -> (
        items: [JSONValue], next: JSONValue?
    ) {
        let answer = try await doors.get(path, token: token)
        #expect(answer.status == 200, "\(path)")
        let value = try JSONValue(parsing: answer.body)
        guard case .array(let items)? = value[member] else { throw SupportError("no \(member)") }
        return (items, value["next"])
    }

    /// Three in two repositories, one of them signed; and one that was refused.
    private func push(_ doors: DoorsFixture) async throws {
        _ = try await doors.deliver(envelope(notification("signed")))
        _ = try await doors.queue.queue.settle(doors.queue.claimOne(), as: .signed(sampleRecord()))
        _ = try await doors.deliver(
            envelope(notification("second"), notification("third", repository: "team/sub/app", tag: "v3")))
        _ = try await doors.deliver(envelope(notification("fourth", repository: "other/app")))
    }

    @Test func `a wait in another form is refused, whether or not an artifact is named`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.viewer)
            for query in ["wait=", "wait=soon", "ref=registry.example.com/team/app:v1&wait=soon"] {
                #expect(try await doors.get("/v1/artifacts?\(query)", token: token).status == 400, "\(query)")
            }
        }
    }

    @Test(arguments: ["artifacts", "repositories", "events", "reconcile"])
    func `a registry that no text can name is refused`(list: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await doors.get("/v1/\(list)?registry=%00", token: doors.token(.viewer))
            #expect(try answer.status == 400 && JSONValue(parsing: answer.body)["code"]?.text == "api.bad_parameter")
        }
    }

    @Test func `artifacts are listed, newest first, and narrowed by what is asked`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await push(doors)
            let token = try await doors.token(.viewer)
            let identity = sampleRecord().identity
            for (query, names) in [
                ("", ["third", "second", "signed"]), ("?state=signed", ["signed"]), ("?state=gone", []),
                ("?repository=registry.example.com/team/app", ["second", "signed"]),
                ("?repository=registry.example.com/team/**&limit=2", ["third", "second"]),
                ("?registry=elsewhere.example.com", []),
                ("?registry=registry.example.com&state=queued", ["third", "second"]),
                ("?identity=\(identity)", ["signed"]), ("?identity=\(identity)x", []),
                ("?since=2020-01-01T00:00:00Z", ["third", "second", "signed"]), ("?until=2020-01-01T00:00:00Z", []),
                ("?since=2020-01-01T00:00:00Z&repository=registry.example.com/team/sub/*", ["third"]),
            ] {
                let found = try await list(doors, "/v1/artifacts\(query)", "artifacts", token: token)
                #expect(
                    found.items.map { $0["digest"]?.text } == names.map { sampleDigest($0).description }, "\(query)")
            }
            let first = try await list(doors, "/v1/artifacts?limit=2", "artifacts", token: token)
            let next = try #require(first.next?.integer)
            let rest = try await list(doors, "/v1/artifacts?limit=2&before=\(next)", "artifacts", token: token)
            #expect(rest.items.map { $0["digest"]?.text } == [sampleDigest("signed").description])
            #expect(rest.next == nil)
        }
    }

    @Test func `a repository shows how much of it is signed`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await push(doors)
            let token = try await doors.token(.viewer)
            let found = try await list(doors, "/v1/repositories", "repositories", token: token)
            #expect(
                found.items.map { $0["repository"]?.text } == [
                    "registry.example.com/team/sub/app", "registry.example.com/team/app",
                ])
            let app = try #require(found.items.last)
            #expect(app["artifacts"]?["signed"]?.integer == 1 && app["artifacts"]?["queued"]?.integer == 1)
            #expect(app["total"]?.integer == 2 && app["signed_share"] == .number("0.5"))
            #expect(app["cut"] == .bool(false))
            let first = try await list(doors, "/v1/repositories?limit=1", "repositories", token: token)
            let next = try #require(first.next?.integer)
            let rest = try await list(doors, "/v1/repositories?limit=1&before=\(next)", "repositories", token: token)
            #expect(rest.items.map { $0["repository"]?.text } == ["registry.example.com/team/app"])
        }
    }

    @Test func `events are listed with their verdicts, and no page loses those of one commit`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await push(doors)
            let token = try await doors.token(.viewer)
            let refused = try await list(doors, "/v1/events?verdict=refused", "events", token: token)
            #expect(refused.items.map { $0["repository"]?.text } == ["other/app"])
            #expect(refused.items.first?["reason"]?.text == "repository is outside the list of endpoint 'main'")
            #expect(try await doors.get("/v1/events?verdict=filtered", token: token).status == 400)
            let one = try await list(
                doors, "/v1/events?repository=registry.example.com/team/app&until=2100-01-01T00:00:00Z", "events",
                token: token)
            #expect(one.items.map { $0["digest"]?.text } == ["second", "signed"].map { sampleDigest($0).description })

            var (seen, path) = ([String?](), "/v1/events?limit=1")
            while seen.count < 10 {
                let page = try await list(doors, path, "events", token: token)
                seen += page.items.map { $0["digest"]?.text }
                guard let next = page.next?.text else { break }
                path = "/v1/events?limit=1&before=\(next)"
            }
            #expect(Set(seen).count == 4 && seen.count == 4)
        }
    }

    @Test func `a job is shown by itself, and one that waits is made due`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await doors.deliver(envelope(notification()))
            let claim = try await doors.queue.claimOne()
            func retry() async throws -> HTTPResponse {
                try await doors.send(
                    .post, .api, "/v1/jobs/\(claim.jobID)/retry", headers: ["Authorization": "Bearer \(token)"])
            }
            let running = try await retry()
            #expect(try running.status == 202 && JSONValue(parsing: running.body)["state"]?.text == "signing")
            _ = try await doors.queue.queue.settle(
                claim, as: .retry(sampleFailure, after: .seconds(600), counts: false))
            let waiting = try await doors.get("/v1/jobs/\(claim.jobID)", token: token)
            #expect(try JSONValue(parsing: waiting.body)["state"]?.text == "waiting")
            let due = try await retry()
            #expect(try due.status == 202 && JSONValue(parsing: due.body)["state"]?.text == "queued")
            #expect(try await doors.queue.state(sampleDigest("image")) == "queued")
            #expect(try await doors.queue.claimOne().jobID == claim.jobID)
            #expect(try await doors.queue.contradictions() == 0)
        }
    }

    @Test func `a reader who knows the state is not told it again`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.viewer)
            _ = try await doors.deliver(envelope(notification()))
            let path = "/v1/artifacts?ref=registry.example.com/team/app:v1"
            let tag = try #require(try await doors.get(path, token: token).headers["ETag"])
            func again(_ known: String) async throws -> HTTPResponse {
                try await doors.send(
                    .get, .api, path, headers: ["Authorization": "Bearer \(token)", "If-None-Match": known])
            }
            for known in [tag, "\"x\", W/\(tag)", "*"] {
                let answer = try await again(known)
                #expect(answer.status == 304 && answer.body.isEmpty && answer.headers["ETag"] == tag)
            }
            #expect(try await again("\"x\"").status == 200)
            #expect(try await doors.queue.cancelAll() == [.cancelled])
            #expect(try await again(tag).status == 200)
        }
    }

    @Test func `a confined token sees its own repositories in every list, and of the others nothing`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            try await push(doors)
            let token = try await APITokens(pool: doors.queue.pool).create(
                name: "confined", role: .attester, lifetime: nil,
                scope: TokenScope(repositories: ["registry.example.com/team/sub/**"], predicateTypes: ["*"]))
            let third = sampleDigest("third").description
            for (path, member) in [("/v1/artifacts", "artifacts"), ("/v1/jobs", "jobs"), ("/v1/events", "events")] {
                let found = try await list(doors, path, member, token: token)
                #expect(found.items.map { $0["digest"]?.text } == [third], "\(path)")
            }
            let repositories = try await list(doors, "/v1/repositories", "repositories", token: token)
            #expect(repositories.items.map { $0["repository"]?.text } == ["registry.example.com/team/sub/app"])
            let others = try await doors.queue.records.jobs().items.filter { $0.repository.name == "team/app" }
            #expect(try await doors.get("/v1/jobs/\(try #require(others.first).id)", token: token).status == 404)
            let one = try await doors.get("/v1/artifacts?ref=registry.example.com/team/app:v1", token: token)
            #expect(one.status == 403)
        }
    }
}
