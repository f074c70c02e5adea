import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Synchronization
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

    @Test func `what could not be stored is no row that says it was accepted`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            try await doors.queue.pool.execute(
                "ALTER TABLE countersign.event ADD CONSTRAINT nothing_by_hand CHECK (source <> 'api')")
            let body = #"{"references": ["registry.example.com/team/app:v1"]}"#
            let answer = try await doors.send(
                .post, .api, "/v1/sign", headers: ["Authorization": "Bearer \(token)"], body: Array(body.utf8))
            #expect(answer.status == 500)
            #expect(try await acts(doors, "?action=artifact.sign", token: token).isEmpty)
        }
    }

    @Test func `a refused command is a row with its code, whoever asks for whatever`() async throws {
        try await DoorsFixture.withDoors(.doors { $0.batches.approval = .all }) { (doors) async throws in
            let token = try await doors.token(.admin)
            let confined = try await doors.token(.admin, of: "registry.example.com/else/**")
            let viewer = try await doors.token(.viewer)
            let reference = "registry.example.com/team/app@\(sampleDigest("a"))"
            let list = #"{"reason": "r", "references": ["\#(reference)"]}"#
            func post(_ path: String, _ token: String?, _ body: String? = nil) async throws -> Int {
                var headers: HTTPHeaders = ["Idempotency-Key": path]
                if let token { headers["Authorization"] = "Bearer \(token)" }
                return try await doors.send(.post, .api, path, headers: headers, body: body.map { Array($0.utf8) })
                    .status
            }
            #expect(try await post("/v1/batches", token, list) == 202)
            let before = try await acts(doors, token: token).count
            let refused: [(path: String, token: String, body: String?, status: Int, row: [String?])] = [
                (
                    "/v1/batches/1/approve", token, nil, 403,
                    ["batch.approve", "admin", "batch 1", "batch.own_request"]
                ),
                ("/v1/batches/1/approve", confined, nil, 403, ["batch.approve", nil, "batch 1", "api.out_of_scope"]),
                ("/v1/batches/1/cancel", viewer, nil, 403, ["batch.cancel", "viewer", "batch 1", "api.forbidden"]),
                ("/v1/batches", confined, list, 403, ["batch.sign", nil, nil, "api.out_of_scope"]),
                ("/v1/revoke", confined, list, 403, ["artifact.revoke", nil, nil, "api.out_of_scope"]),
                ("/v1/revoke/release", confined, list, 403, ["artifact.release", nil, nil, "api.out_of_scope"]),
                ("/v1/sign", viewer, list, 403, ["artifact.sign", "viewer", nil, "api.forbidden"]),
                (
                    "/v1/dead-letters/9/redrive", token, nil, 404,
                    ["dead_letter.redrive", nil, "dead letter 9", "dead_letter.unknown"]
                ),
                (
                    "/v1/reconcile?repository=registry.example.com/team/app", confined, nil, 403,
                    ["reconcile.request", nil, nil, "api.out_of_scope"]
                ),
            ]
            for command in refused {
                #expect(try await post(command.path, command.token, command.body) == command.status, "\(command.path)")
            }
            #expect(try await post("/v1/batches/1/approve", nil) == 401)
            #expect(try await post("/v1/batches/1/approve", "cs_operator_0") == 401)
            #expect(try await doors.get("/v1/batches/77", token: token).status == 404)
            let rows = try await acts(doors, token: token).dropLast(before).reversed()
            #expect(rows.count == refused.count, "nothing of strangers, nothing of who only reads")
            for (row, command) in zip(rows, refused) {
                #expect(row["outcome"]?.text == "refused")
                for (name, expected) in zip(["action", "actor", "subject", "code"], command.row) where expected != nil {
                    #expect(row[name]?.text == expected, "\(command.path) \(name)")
                }
            }
            #expect(rows.last?["repository"]?.text == "registry.example.com/team/app")
            #expect(try await AuditChain(pool: doors.queue.pool).walk().fault == nil)
        }
    }

    @Test func `every command of the API has an action`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let commands = doors.listeners.operations.filter { operation in
                if case .role = operation.access { operation.verb != "GET" } else { false }
            }.map { "\($0.verb) \($0.path)" }
            #expect(Set(commands) == Set(RefusedCommands.actions.keys))
        }
    }

    @Test func `a caller that is refused again and again writes so many rows a minute, and the next says how many not`()
    {
        let clock = Mutex(ContinuousClock.now)
        let share = RefusalShare { clock.withLock { $0 } }
        let flood = APITokens.Principal(tokenID: 1, name: "a", role: .viewer, scope: nil)
        let other = APITokens.Principal(tokenID: nil, name: "a", role: .viewer, scope: nil)
        let taken = (0..<RefusalShare.rows + 5).map { _ in share.take(for: flood) }
        #expect(taken.compactMap { $0 } == [Int](repeating: 0, count: RefusalShare.rows))
        #expect(share.take(for: other) == 0)
        clock.withLock { $0 += .seconds(61) }
        #expect(share.take(for: flood) == 5)
        #expect(share.take(for: flood) == 0)
    }

    @Test func `what is refused to everybody changes nothing, and pages go on where they ended`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await doors.token(.operator)
            _ = try await doors.send(.post, .api, "/v1/jobs/77/cancel", headers: ["Authorization": "Bearer \(token)"])
            // the token, and what was refused
            #expect(try await acts(doors, token: token).map { $0["outcome"]?.text } == ["refused", "accepted"])
            let first = try JSONValue(parsing: try await doors.get("/v1/audit?limit=1", token: token).body)
            let next = try #require(first["next"]?.integer)
            #expect(try await acts(doors, "?limit=1&before=\(next)", token: token).count == 1)
        }
    }
}
