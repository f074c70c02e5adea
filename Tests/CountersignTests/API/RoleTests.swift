import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Every operation of the OpenAPI document × every role × every kind of scope: none, and of repositories, tenants and predicate
/// types the right one and another one.
@Suite struct RoleTests {
    private typealias Caller = RoleWorld.Caller

    /// One request for each operation, about `team/app`. An operation without one fails the test: add it here.
    private func request(_ id: String, _ world: RoleWorld, _ caller: Caller? = nil) -> (path: String, body: [UInt8]?)? {
        let reference = "registry.example.com/team/app@\(sampleDigest("image"))"
        // of what is withdrawn nothing else is asked
        let other = "registry.example.com/team/app@\(sampleDigest("withdrawn"))"
        // what the caller asked for itself, where it may ask; else somebody else's
        let batch = caller?.batch ?? world.batch
        let work = world.work(for: caller)
        return switch id {
        case "artifact": ("/v1/artifacts", nil)
        case Self.oneArtifact: ("/v1/artifacts?ref=\(reference)", nil)
        case "repositories": ("/v1/repositories", nil)
        case "events": ("/v1/events", nil)
        case "jobs": ("/v1/jobs", nil)
        case "job": ("/v1/jobs/\(work.job)", nil)
        case "cancelJob": ("/v1/jobs/\(work.job)/cancel", nil)
        case "retryJob": ("/v1/jobs/\(work.logged)/retry", nil)
        case "deadLetters": ("/v1/dead-letters", nil)
        case "redriveDeadLetter": ("/v1/dead-letters/\(work.letter)/redrive", nil)
        case "redriveDeadLetters": ("/v1/dead-letters/redrive", nil)
        case "sign": ("/v1/sign", Array("{\"references\": [\"\(reference)\"]}".utf8))
        case "attest": ("/v1/attestations?ref=\(reference)&type=openvex", sampleVEX(9))
        case "attestations": ("/v1/attestations?ref=\(reference)", nil)
        case "attestation": ("/v1/attestations/\(world.attestation)", nil)
        case "attestedDocument": ("/v1/attestations/\(world.attestation)/document", nil)
        case "audit": ("/v1/audit?limit=500", nil)
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
        case "acknowledgeAlert": ("/v1/alerts/\(work.alert)/acknowledge", nil)
        case "logEntries": ("/v1/log-entries?ref=\(reference)", nil)
        case "logEntry": ("/v1/log-entries/\(work.entry)", nil)
        case "logEntryCheckpoint": ("/v1/log-entries/\(work.entry)/checkpoint", nil)
        case "logs": ("/v1/logs", nil)
        case "endpoints": ("/v1/endpoints", nil)
        case "policy": ("/v1/policy", nil)
        case "upstreams": ("/v1/upstreams", nil)
        default: nil
        }
    }

    @Test func `each operation is for its role and above, within its scope, and for nobody else`() async throws {
        try await DoorsFixture.withDoors(RoleWorld.configuration) { (doors) async throws in
            let world = try await RoleWorld(doors)
            let callers = try await RoleWorld.callers(doors)
            let described = doors.listeners.operations.filter { if case .role = $0.access { true } else { false } }
            // what only reads comes first: it finds the world as it was made
            let forms = described.filter { $0.id == "artifact" }.map(asOneArtifact)
            let operations = described.filter(\.isRead) + forms + described.filter { !$0.isRead }
            for operation in operations where request(operation.id, world) == nil {
                Issue.record("\(operation.verb) \(operation.path) has no row in RoleTests.request")
            }
            for operation in operations where isList(operation) && traces(in: operation.id, for: callers[0]) == nil {
                Issue.record("\(operation.verb) \(operation.path) has no row in RoleTests.traces")
            }
            for role in APITokens.Role.allCases {
                #expect(operations.contains { $0.access == .role(role) }, "nothing asks for the role \(role.rawValue)")
            }
            // first all that is refused: afterwards everything stands as before
            for operation in operations {
                guard let request = request(operation.id, world) else { continue }
                let nobody = try await send(operation, request, nil, doors)
                #expect(try nobody.status == 401 && code(nobody) == "api.token_missing", "\(operation.id)")
                for caller in callers { try await expectRefusal(of: operation, to: caller, world, doors) }
            }
            for work in [world.image, world.document] {
                #expect(try await doors.queue.records.job(work.job)?.state == .waiting)
                #expect(try await doors.queue.records.deadLetter(work.letter) != nil)
                let alerts = Alerts(pool: doors.queue.pool, logger: SigningDaemon.silence)
                #expect(try await alerts.alert(work.alert)?.state == .open)
            }
            // then what is allowed
            for operation in operations {
                var done: Set<Int64> = []
                for caller in callers where refusal(operation, caller) == nil {
                    // images and documents have work of their own, to be done once
                    let isFirst = done.insert(world.work(for: caller).job).inserted
                    try await expectAnswer(of: operation, to: caller, isFirst: isFirst, world, doors)
                }
            }
        }
    }

    private func name(_ operation: Countersign.Operation, _ caller: Caller) -> String {
        "\(operation.id) by \(caller.role.rawValue) of \(caller.scope)"
    }

    private func expectRefusal(
        of operation: Countersign.Operation, to caller: Caller, _ world: RoleWorld, _ doors: DoorsFixture
    ) async throws {
        guard let expected = refusal(operation, caller), let request = request(operation.id, world, caller) else {
            return
        }
        let answer = try await send(operation, request, caller.token, doors)
        #expect(answer.status == expected.status, "\(name(operation, caller))")
        if let code = expected.code { #expect(try self.code(answer) == code, "\(name(operation, caller))") }
    }

    private func expectAnswer(
        of operation: Countersign.Operation, to caller: Caller, isFirst: Bool, _ world: RoleWorld, _ doors: DoorsFixture
    ) async throws {
        guard let request = request(operation.id, world, caller) else { return }
        let answer = try await send(operation, request, caller.token, doors)
        // what is done once is not there, or not so, for the next who asks
        let wasDone = !isFirst && Self.once.contains(operation.id) && [404, 409].contains(answer.status)
        #expect(answer.status < 300 || wasDone, "\(name(operation, caller)): \(answer.status)")
        let text = String(decoding: answer.body, as: UTF8.self)
        if caller.scope.isOutside { #expect(!text.contains("team/app"), "\(name(operation, caller))") }
        // an image's signature is of no type
        if caller.scope == .otherTypes { #expect(!text.contains("openvex"), "\(name(operation, caller))") }
        for (trace, isSeen) in traces(in: operation.id, for: caller) ?? [:] {
            #expect(text.contains(trace) == isSeen, "\(name(operation, caller)): \(trace)")
        }
    }

    /// What a list has of the world, and whether this caller sees it. A list without a row fails the test: add it here.
    private func traces(in id: String, for caller: Caller) -> [String: Bool]? {
        let isInside = !caller.scope.isOutside
        let isOfType = isInside && caller.scope != .otherTypes
        let isForAll = caller.scope == .everything
        return switch id {
        case "artifact", Self.oneArtifact, "repositories", "events": ["team/app": isInside]
        case "jobs", "deadLetters": [#""observed":"image""#: isInside, #""observed":"openvex""#: isOfType]
        case "alerts":
            [
                #""observed":"image""#: isInside, #""observed":"openvex""#: isOfType,
                #""observed":"about no repository""#: isForAll,
            ]
        case "attestations": ["openvex": isOfType]
        case "logEntries": ["team/app": isInside, "openvex": isOfType]
        case "audit": ["team/app": isInside, "openvex": isOfType, "token.create": isForAll]
        case "batches": [#""sender""#: isForAll, "\"\(caller.name)\"": caller.batch != nil]
        case "sweeps":
            [
                "team/app": isInside, #""pending":0"#: !isInside, #""catalog""#: isForAll, #""next_index""#: isForAll,
            ]
        default: nil
        }
    }

    /// Whether it shows each caller his part of what there is. What is about all repositories has no parts.
    private func isList(_ operation: Countersign.Operation) -> Bool {
        operation.isRead && !operation.path.contains("{") && ![.unscoped, .everything].contains(operation.reach)
    }

    /// The list of artifacts where it is asked for one by its name: that is refused as what is about one repository.
    private func asOneArtifact(_ list: Countersign.Operation) -> Countersign.Operation {
        Countersign.Operation(
            list.method, list.path, Self.oneArtifact, list.summary, access: list.access, reach: .one,
            answers: list.answers)
    }
    private static let oneArtifact = "artifactByReference"

    /// How an operation refuses; nil where it answers.
    private func refusal(_ operation: Countersign.Operation, _ caller: Caller) -> (status: Int, code: String?)? {
        guard case .role(let role) = operation.access else { return nil }
        if caller.role < role { return (403, "api.forbidden") }
        let isOneOfMany = operation.path.contains("{")
        switch operation.reach {
        case .unscoped: return nil
        case .own:
            // a viewer without a scope sees everybody's; who has one sees what it asked for
            guard caller.scope != .everything, caller.batch == nil, isOneOfMany else { return nil }
            return (404, "batch.unknown")
        case .everything: return caller.scope == .everything ? nil : (403, "api.out_of_scope")
        case .one:
            if caller.scope.isOutside { return (403, "api.out_of_scope") }
            // only who sends a document asks for a type
            return caller.scope == .otherTypes && operation.id == "attest"
                ? (403, "attestation.type_out_of_scope") : nil
        case .filtered:
            // of what is outside nothing is there
            return isOneOfMany && (caller.scope.isOutside || caller.scope == .otherTypes) ? (404, nil) : nil
        }
    }

    /// What can be done once in this world.
    private static let once: Set<String> = [
        "cancelJob", "redriveDeadLetter", "approveBatch", "retryBatch",
    ]

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
}
