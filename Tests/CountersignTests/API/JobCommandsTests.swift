import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct JobCommandsTests {
    private func post(_ doors: DoorsFixture, _ path: String, token: String?) async throws -> HTTPResponse {
        try await doors.send(
            .post, .api, path, headers: token.map { ["Authorization": "Bearer \($0)"] } ?? [:])
    }

    @Test(arguments: ["/v1/jobs/1/cancel", "/v1/dead-letters/1/redrive", "/v1/dead-letters/redrive"])
    func `commands on jobs need the operator, whatever may be read`(path: String) async throws {
        try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = true }) { (doors) async throws in
            _ = try await doors.deliver(envelope(notification()))
            let nobody = try await post(doors, path, token: nil)
            #expect(nobody.status == 401 && nobody.headers["Content-Type"] == "application/problem+json")
            let viewer = try await post(doors, path, token: doors.token(.viewer))
            #expect(viewer.status == 403)
            #expect(try JSONValue(parsing: viewer.body)["code"]?.text == "api.forbidden")
            #expect(try await doors.queue.state(sampleDigest("image")) == "queued")
        }
    }

    @Test func `a job that waits is cancelled, one that runs is told`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await doors.deliver(envelope(notification("waits"), notification("runs")))
            let claim = try await doors.queue.claim(limit: 1)[0]
            let running = try await post(doors, "/v1/jobs/\(claim.jobID)/cancel", token: token)
            #expect(running.status == 202)
            #expect(try JSONValue(parsing: running.body)["state"]?.text == "cancelling")
            #expect(try await doors.queue.queue.heartbeat([claim]).cancelled == [claim.leaseToken])

            let waiting = try #require(try await doors.queue.records.jobs(state: .queued).items.first)
            let answer = try await post(doors, "/v1/jobs/\(waiting.id)/cancel", token: token)
            #expect(answer.status == 200)
            #expect(try JSONValue(parsing: answer.body)["state"]?.text == "cancelled")
            let gone = try await post(doors, "/v1/jobs/\(waiting.id)/cancel", token: token)
            #expect(gone.status == 404)
            #expect(try JSONValue(parsing: gone.body)["code"]?.text == "job.unknown")
        }
    }

    @Test func `who is confined, or no admin, stops no removal, though the artifact is within its scope`() async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let confined = try await doors.token(.operator, of: "registry.example.com/team/**")
            let everywhere = try await doors.token(.operator)
            let admin = try await doors.token(.admin)
            let confinedAdmin = try await doors.token(.admin, of: "registry.example.com/team/**")
            let body =
                #"{"references":["registry.example.com/team/app@\#(sampleDigest("image"))"],"reason":"r","remove":true}"#
            let ordered = try await doors.send(
                .post, .api, "/v1/revoke", headers: ["Authorization": "Bearer \(everywhere)"], body: Array(body.utf8))
            #expect(ordered.status == 202)
            let job = try #require(try await doors.queue.records.jobs().items.first)
            #expect(job.kind == .withdraw)

            for (token, code) in [
                (confined, "api.forbidden"), (everywhere, "api.forbidden"), (confinedAdmin, "api.out_of_scope"),
            ] {
                let refused = try await post(doors, "/v1/jobs/\(job.id)/cancel", token: token)
                #expect(try refused.status == 403 && JSONValue(parsing: refused.body)["code"]?.text == code)
            }
            let asked = "SELECT count(*) FROM countersign.revocation WHERE removal = 'asked'"
            #expect(try await doors.queue.number(Query(unsafeSQL: asked)) == 1)
            // nor by a look at the job from before the removal was ordered
            #expect(try await doors.queue.queue.cancel(job: job.id, of: .sign) == nil)
            #expect(try await doors.queue.jobCount() == 1)
            #expect(try await post(doors, "/v1/jobs/\(job.id)/retry", token: confined).status == 202)
            #expect(try await post(doors, "/v1/jobs/\(job.id)/cancel", token: admin).status == 200)
            #expect(try await doors.queue.number(Query(unsafeSQL: asked)) == 0)
        }
    }

    @Test func `a dead letter is taken up once, and all that are left by one command`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await doors.deliver(envelope(notification("a"), notification("b"), notification("c")))
            let claims = try await doors.queue.claim()
            for claim in claims { _ = try await doors.queue.queue.settle(claim, as: .failed(sampleFailure)) }

            let one = try await post(doors, "/v1/dead-letters/\(claims[0].jobID)/redrive", token: token)
            #expect(one.status == 202)
            let job = try #require(try JSONValue(parsing: one.body)["job"]?.integer)
            #expect(try await doors.queue.records.jobs().items.map(\.id) == [Int64(job)])
            let again = try await post(doors, "/v1/dead-letters/\(claims[0].jobID)/redrive", token: token)
            #expect(again.status == 404)
            #expect(try JSONValue(parsing: again.body)["code"]?.text == "dead_letter.unknown")

            let rest = try await post(doors, "/v1/dead-letters/redrive", token: token)
            #expect(rest.status == 202)
            let answer = try JSONValue(parsing: rest.body)
            #expect(answer["redriven"]?.integer == 2 && answer["left"]?.integer == 0)
            #expect(try await doors.queue.jobCount() == 3)
            #expect(try await doors.queue.contradictions() == 0)
        }
    }

    @Test func `the letter of a tag that was mistyped goes when it is taken up and its job is cancelled`() async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let mistyped = samplePush(nil, tag: "v1")
            try await doors.queue.push(mistyped)
            let claim = try await doors.queue.claimOne()
            #expect(claim.kind == .resolve)
            _ = try await doors.queue.queue.settle(claim, as: .gone(sampleFailure))
            #expect(try await doors.queue.records.deadLetterCount() == 1)

            let redriven = try await post(doors, "/v1/dead-letters/\(claim.jobID)/redrive", token: token)
            let job = try #require(try JSONValue(parsing: redriven.body)["job"]?.integer)
            #expect(try await post(doors, "/v1/jobs/\(job)/cancel", token: token).status == 200)
            #expect(try await doors.queue.records.deadLetterCount() == 0)
            #expect(try await doors.queue.jobCount() == 0)
            #expect(try await doors.queue.contradictions() == 0)
        }
    }

    @Test(arguments: ["/v1/jobs/x/cancel", "/v1/jobs/-1/cancel", "/v1/dead-letters/1.5/redrive"])
    func `a path that names no job is refused`(path: String) async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let answer = try await post(doors, path, token: doors.token(.operator))
            #expect(answer.status == 400)
            #expect(try JSONValue(parsing: answer.body)["code"]?.text == "api.bad_parameter")
        }
    }

    @Test func `the status shows why the look at a signed artifact failed, and a tag that is not resolved`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.viewer)
            let reference = "registry.example.com/team/app:v1"
            _ = try await doors.deliver(envelope(notification()))
            _ = try await doors.queue.queue.settle(doors.queue.claimOne(), as: .signed(sampleRecord()))
            _ = try await doors.deliver(envelope(notification()))
            _ = try await doors.queue.queue.settle(
                doors.queue.claimOne(), as: .retry(sampleFailure, after: .seconds(60), counts: false))
            let signed = try JSONValue(
                parsing: try await doors.get("/v1/artifacts?ref=\(reference)", token: token).body)
            #expect(signed["state"]?.text == "signed")
            #expect(signed["last_error"]?["code"]?.text == sampleFailure.code)

            let unresolved = samplePush(nil, tag: "v1")
            var request = EnqueueRequest(
                source: "main", registry: "registry.example.com", repository: "team/app", digest: nil, tag: "v1",
                verdict: unresolved.verdict, delivery: unresolved.delivery)
            request.actor = "ci"
            _ = try await doors.queue.queue.enqueue([request])
            let open = try JSONValue(
                parsing: try await doors.get("/v1/artifacts?ref=\(reference)", token: token).body)
            #expect(open["state"]?.text == "queued" && open["reference"]?.text == reference)
            #expect(open["digest"] == nil && open["signature"] == nil && open["resolved_at"] == nil)
        }
    }
}
