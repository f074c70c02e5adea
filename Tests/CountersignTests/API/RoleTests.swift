import Curl
import FoundationEssentials
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Every operation of the OpenAPI document × every role × no scope, the right one, another one.
@Suite struct RoleTests {
    /// One request for each operation, about `team/app`. An operation without one fails the test: add it here.
    private func request(_ id: String, _ world: World, _ caller: Caller? = nil) -> (path: String, body: [UInt8]?)? {
        let reference = "registry.example.com/team/app@\(sampleDigest("image"))"
        // of what is withdrawn nothing else is asked
        let other = "registry.example.com/team/app@\(sampleDigest("withdrawn"))"
        // what the caller asked for itself, where it may ask; else somebody else's
        let batch = caller?.batch ?? world.batch
        return switch id {
        case "artifact": ("/v1/artifacts", nil)
        case "repositories": ("/v1/repositories", nil)
        case "events": ("/v1/events", nil)
        case "jobs": ("/v1/jobs", nil)
        case "job": ("/v1/jobs/\(world.job)", nil)
        case "cancelJob": ("/v1/jobs/\(world.job)/cancel", nil)
        case "retryJob": ("/v1/jobs/\(world.logged)/retry", nil)
        case "deadLetters": ("/v1/dead-letters", nil)
        case "redriveDeadLetter": ("/v1/dead-letters/\(world.letter)/redrive", nil)
        case "redriveDeadLetters": ("/v1/dead-letters/redrive", nil)
        case "sign": ("/v1/sign", Array("{\"references\": [\"\(reference)\"]}".utf8))
        case "attest": ("/v1/attestations?ref=\(reference)&type=openvex", sampleVEX(2))
        case "attestations": ("/v1/attestations?ref=\(reference)", nil)
        case "attestation": ("/v1/attestations/\(world.attestation)", nil)
        case "attestedDocument": ("/v1/attestations/\(world.attestation)/document", nil)
        case "audit": ("/v1/audit?repository=registry.example.com/team/**", nil)
        case "signBatch": ("/v1/batches", Array("{\"dry_run\": true, \"references\": [\"\(reference)\"]}".utf8))
        case "resign":
            ("/v1/resign", Array("{\"dry_run\": true, \"reason\": \"r\", \"references\": [\"\(reference)\"]}".utf8))
        case "batches": ("/v1/batches", nil)
        case "batch": ("/v1/batches/\(batch)", nil)
        case "batchEvents": ("/v1/batches/\(caller?.endedBatch ?? world.endedBatch)/events", nil)
        case "approveBatch": ("/v1/batches/\(world.proposal)/approve", nil)
        case "cancelBatch": ("/v1/batches/\(batch)/cancel", nil)
        case "resumeBatch": ("/v1/batches/\(batch)/resume", nil)
        case "retryBatch": ("/v1/batches/\(batch)/retry-failed", nil)
        case "revoke": ("/v1/revoke", Array("{\"reason\": \"r\", \"references\": [\"\(other)\"]}".utf8))
        case "release": ("/v1/revoke/release", Array("{\"reason\": \"r\", \"references\": [\"\(other)\"]}".utf8))
        case "sweeps": ("/v1/reconcile", nil)
        case "reconcile": ("/v1/reconcile?repository=registry.example.com/team/app", nil)
        case "alerts": ("/v1/alerts", nil)
        case "acknowledgeAlert": ("/v1/alerts/\(world.alert)/acknowledge", nil)
        case "logEntries": ("/v1/log-entries?ref=\(reference)", nil)
        case "logEntry": ("/v1/log-entries/\(world.entry)", nil)
        case "endpoints": ("/v1/endpoints", nil)
        case "policy": ("/v1/policy", nil)
        case "upstreams": ("/v1/upstreams", nil)
        default: nil
        }
    }

    private struct World {
        let job: Int64
        /// Another one, which has a log entry already.
        let logged: Int64
        let letter: Int64
        let attestation: Int
        let alert: Int64
        let entry: Int64
        /// Asked for by somebody without a scope, about `team/app`: one that runs, one that ended, one that waits for an approval.
        let batch: Int64
        let endedBatch: Int64
        let proposal: Int64
    }

    private struct Caller {
        let role: APITokens.Role
        /// nil: none, true: of team/app, false: of another repository.
        let isInside: Bool?
        let token: String
        /// What it asked for itself: one that runs, one that ended; nil where its role asks for none.
        let batch: Int64?
        let endedBatch: Int64?
    }

    @Test func `each operation is for its role and above, within its scope, and for nobody else`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let world = try await world(doors)
            let callers = try await callers(doors)
            let operations = doors.listeners.operations.filter { if case .role = $0.access { true } else { false } }
            for operation in operations where request(operation.id, world) == nil {
                Issue.record("\(operation.verb) \(operation.path) has no row in RoleTests.request")
            }
            // first all that is refused: afterwards everything stands as before
            for operation in operations {
                guard let request = request(operation.id, world) else { continue }
                let nobody = try await send(operation, request, nil, doors)
                #expect(try nobody.status == 401 && code(nobody) == "api.token_missing", "\(operation.id)")
                for caller in callers { try await expectRefusal(of: operation, to: caller, world, doors) }
            }
            #expect(try await doors.queue.records.job(world.job)?.state == .waiting)
            #expect(try await doors.queue.records.deadLetter(world.letter) != nil)
            // then what is allowed
            for operation in operations {
                let allowed = callers.filter { refusal(operation, $0) == nil }
                for (number, caller) in allowed.enumerated() {
                    try await expectAnswer(of: operation, to: caller, isFirst: number == 0, world, doors)
                }
            }
        }
    }

    private func name(_ operation: Countersign.Operation, _ caller: Caller) -> String {
        "\(operation.id) by \(caller.role.rawValue), inside: \(String(describing: caller.isInside))"
    }

    private func expectRefusal(
        of operation: Countersign.Operation, to caller: Caller, _ world: World, _ doors: DoorsFixture
    ) async throws {
        guard let expected = refusal(operation, caller), let request = request(operation.id, world, caller) else {
            return
        }
        let answer = try await send(operation, request, caller.token, doors)
        #expect(answer.status == expected.status, "\(name(operation, caller))")
        if let code = expected.code { #expect(try self.code(answer) == code, "\(name(operation, caller))") }
    }

    private func expectAnswer(
        of operation: Countersign.Operation, to caller: Caller, isFirst: Bool, _ world: World, _ doors: DoorsFixture
    ) async throws {
        guard let request = request(operation.id, world, caller) else { return }
        let answer = try await send(operation, request, caller.token, doors)
        // what is done once is not there, or not so, for the next who asks
        let wasDone = !isFirst && Self.once.contains(operation.id) && [404, 409].contains(answer.status)
        #expect(answer.status < 300 || wasDone, "\(name(operation, caller)): \(answer.status)")
        let text = String(decoding: answer.body, as: UTF8.self)
        if caller.isInside == false { #expect(!text.contains("team/app"), "\(name(operation, caller))") }
    }

    /// How an operation refuses; nil where it answers.
    private func refusal(_ operation: Countersign.Operation, _ caller: Caller) -> (status: Int, code: String?)? {
        guard case .role(let role) = operation.access else { return nil }
        if caller.role < role { return (403, "api.forbidden") }
        switch operation.reach {
        case .unscoped: return nil
        case .own:
            // a viewer without a scope sees everybody's; who has one sees what it asked for
            guard caller.isInside != nil, caller.batch == nil, operation.path.contains("{") else { return nil }
            return (404, "batch.unknown")
        case .everything: return caller.isInside == nil ? nil : (403, "api.out_of_scope")
        case .one: return caller.isInside == false ? (403, "api.out_of_scope") : nil
        case .filtered:
            // of what is outside nothing is there
            return caller.isInside == false && operation.path.contains("{") ? (404, nil) : nil
        }
    }

    /// What can be done once in this world.
    private static let once: Set<String> = [
        "cancelJob", "redriveDeadLetter", "approveBatch", "retryBatch",
    ]

    private func batch(
        by token: String, _ doors: DoorsFixture
    ) async throws -> Int64 {
        let answer = try await doors.send(
            .post, .api, "/v1/batches",
            headers: ["Authorization": "Bearer \(token)", "Idempotency-Key": UUID().uuidString],
            body: Array("{\"references\": [\"registry.example.com/team/app@\(sampleDigest("image"))\"]}".utf8))
        #expect(answer.status == 202)
        return Int64(try #require(try JSONValue(parsing: answer.body)["id"]?.integer))
    }

    private func endedBatch(by token: String, _ doors: DoorsFixture) async throws -> Int64 {
        let id = try await batch(by: token, doors)
        try await doors.queue.pool.execute(
            "UPDATE countersign.batch SET state = 'done', ended_at = now() WHERE id = \(id)")
        return id
    }

    private func send(
        _ operation: Countersign.Operation, _ request: (path: String, body: [UInt8]?), _ token: String?,
        _ doors: DoorsFixture
    ) async throws -> HTTPResponse {
        guard let method = HTTPRequest.Method(rawValue: operation.verb) else { throw SupportError(operation.verb) }
        return try await doors.send(
            method, .api, request.path, headers: token.map { ["Authorization": "Bearer \($0)"] } ?? [:],
            body: request.body)
    }

    private func code(_ answer: HTTPResponse) throws -> String? { try JSONValue(parsing: answer.body)["code"]?.text }

    private func callers(_ doors: DoorsFixture) async throws -> [Caller] {
        var callers: [Caller] = []
        for role in APITokens.Role.allCases {
            if role != .attester { callers.append(try await caller(role, nil, try await doors.token(role), doors)) }
            for (isInside, repositories) in [
                (true, "registry.example.com/team/**"), (false, "registry.example.com/else/**"),
            ] {
                let token = try await doors.token(role, of: repositories)
                callers.append(try await caller(role, isInside, token, doors))
            }
        }
        return callers
    }

    private func caller(
        _ role: APITokens.Role, _ isInside: Bool?, _ token: String, _ doors: DoorsFixture
    ) async throws -> Caller {
        guard role >= .operator, isInside != false else {
            return Caller(role: role, isInside: isInside, token: token, batch: nil, endedBatch: nil)
        }
        let (running, ended) = (try await batch(by: token, doors), try await endedBatch(by: token, doors))
        return Caller(role: role, isInside: isInside, token: token, batch: running, endedBatch: ended)
    }

    /// A job that waits, a dead letter and an attestation, all of `team/app`.
    private func world(_ doors: DoorsFixture) async throws -> World {
        _ = try await doors.deliver(envelope(notification("dead", tag: "v0")))
        let letter = try await doors.queue.claimOne()
        _ = try await doors.queue.queue.settle(letter, as: .failed(sampleFailure))
        let sender = try await APITokens(pool: doors.queue.pool).create(name: "sender", role: .operator, lifetime: nil)
        let sent = try await doors.send(
            .put, .api, "/v1/attestations?ref=registry.example.com/team/app@\(sampleDigest("image"))&type=openvex",
            headers: ["Authorization": "Bearer \(sender)"], body: sampleVEX(1))
        let attestation = try #require(try JSONValue(parsing: sent.body)["id"]?.integer)
        let document = try await doors.queue.claimOne()
        _ = try await doors.queue.queue.settle(
            document, as: .retry(sampleFailure, after: .seconds(3600), counts: false))
        _ = try await doors.deliver(envelope(notification()))
        let job = try await doors.queue.claimOne()
        _ = try await doors.queue.queue.settle(job, as: .retry(sampleFailure, after: .seconds(3600), counts: false))
        _ = try await doors.deliver(envelope(notification("logged", tag: "v9")))
        let logged = try await doors.queue.claimOne()
        let evidence = try await doors.queue.journal.prepare(samplePrepared("logged"), for: logged)
        _ = try await doors.queue.journal.log(
            sampleLogged(7), attachment: sampleAttachment("manifest"), of: evidence, for: logged)
        _ = try await doors.queue.queue.settle(logged, as: .retry(sampleFailure, after: .seconds(3600), counts: false))
        let alert = try await doors.queue.pool.query(
            """
            INSERT INTO countersign.alert (key, code, observed, fix, facts, repository_id)
            SELECT 'a', 'signature.rejected', 'o', 'f', '{}'::jsonb, id FROM countersign.repository WHERE name = 'team/app'
            RETURNING id
            """)
        let proposal = try await batch(by: sender, doors)
        try await doors.queue.pool.execute(
            "UPDATE countersign.batch SET state = 'proposed', needs_approval = true WHERE id = \(proposal)")
        return World(
            job: job.jobID, logged: logged.jobID, letter: letter.jobID, attestation: attestation,
            alert: try alert[0].decode("id"),
            entry: evidence.id, batch: try await batch(by: sender, doors),
            endedBatch: try await endedBatch(by: sender, doors), proposal: proposal)
    }
}
