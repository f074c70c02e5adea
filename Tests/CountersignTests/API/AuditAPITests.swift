import Curl
import OCI
import StrictJSON
import Support
import Testing

@testable import Countersign

@Suite struct AuditAPITests {
    private func acts(_ doors: DoorsFixture, _ query: String = "", token: String) async throws -> [JSONValue] {
        let answer = try await doors.get("/v1/audit\(query)", token: token)
        guard case .array(let acts)? = try JSONValue(parsing: answer.body)["acts"] else {
            throw SupportError("no acts")
        }
        return acts
    }

    @Test func `whatever changes something names who did it`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            let headers: HTTPHeaders = ["Authorization": "Bearer \(token)"]
            func post(_ path: String, _ body: String? = nil) async throws {
                _ = try await doors.send(.post, .api, path, headers: headers, body: body.map { Array($0.utf8) })
            }
            try await post(
                "/v1/sign",
                #"{"references": ["registry.example.com/team/app:v1", "elsewhere.example.com/app:v1"]}"#)
            let job = try #require(try await doors.queue.records.jobs().items.first).id
            try await post("/v1/jobs/\(job)/retry")
            try await post("/v1/jobs/\(job)/cancel")
            _ = try await doors.deliver(envelope(notification("a"), notification("b")))
            let claims = try await doors.queue.claim()
            for claim in claims { _ = try await doors.queue.queue.settle(claim, as: .failed(sampleFailure)) }
            try await post("/v1/dead-letters/\(claims[0].jobID)/redrive")
            try await post("/v1/dead-letters/redrive")
            _ = try await APITokens(pool: doors.queue.pool).revoke(name: "nobody")

            let all = try await acts(doors, token: token)
            #expect(
                all.compactMap { $0["action"]?.text } == [
                    "dead_letter.redrive", "dead_letter.redrive", "job.cancel", "job.retry", "artifact.sign",
                    "artifact.sign", "token.create",
                ])
            #expect(all.dropLast().allSatisfy { $0["actor"]?.text == "operator" })
            let refused = try await acts(doors, "?outcome=refused", token: token)
            #expect(refused.map { $0["code"]?.text } == ["policy.refused"])
            let ours = try await acts(doors, "?repository=registry.example.com/team/**&action=job.cancel", token: token)
            #expect(ours.map { $0["subject"]?.text } == ["v1"])
            let walk = try await AuditChain(pool: doors.queue.pool).walk()
            #expect(walk.entries == all.count && walk.fault == nil)
        }
    }

    @Test func `what is refused to everybody changes nothing, and pages go on where they ended`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await doors.send(.post, .api, "/v1/jobs/77/cancel", headers: ["Authorization": "Bearer \(token)"])
            #expect(try await acts(doors, token: token).count == 1)  // the token
            _ = try await doors.token(.viewer)
            let first = try JSONValue(parsing: try await doors.get("/v1/audit?limit=1", token: token).body)
            let next = try #require(first["next"]?.integer)
            #expect(try await acts(doors, "?limit=1&before=\(next)", token: token).count == 1)
        }
    }
}
