import Curl
import Logging
import OCI
import OpenSSL
import Postgres
import StrictJSON
import Support
import Synchronization
import Testing

@testable import Countersign

@Suite struct AttestationUploadTests {
    private let app = "registry.example.com/team/app@\(sampleDigest("image"))"

    private func put(
        _ doors: DoorsFixture, _ token: String?, ref: String? = nil, type: String = "openvex", more: String = "",
        headers: HTTPHeaders = [:], _ body: [UInt8] = sampleVEX(1)
    ) async throws -> (status: Int, json: JSONValue) {
        var headers = headers
        if let token { headers["Authorization"] = "Bearer \(token)" }
        let answer = try await doors.send(
            .put, .api, "/v1/attestations?ref=\(ref ?? app)&type=\(type)\(more)", headers: headers, body: body)
        return (answer.status, try JSONValue(parsing: answer.body))
    }

    private func attester(
        _ doors: DoorsFixture, _ repositories: [String] = ["registry.example.com/team/**"], _ types: [String] = ["vex"]
    ) async throws -> String {
        try await APITokens(pool: doors.queue.pool).create(
            name: "pipeline", role: .attester, lifetime: nil,
            scope: TokenScope(repositories: repositories, predicateTypes: types))
    }

    private func audit(_ doors: DoorsFixture) async throws -> [AuditLog.Entry] {
        try await AuditLog(pool: doors.queue.pool).latest(20).filter { $0.action == "attestation.upload" }
    }

    private func isUntouched(_ doors: DoorsFixture) async throws -> Bool {
        try await doors.queue.number(
            """
            SELECT (SELECT count(*) FROM countersign.attestation) + (SELECT count(*) FROM countersign.document)
                + (SELECT count(*) FROM countersign.document_part) + (SELECT count(*) FROM countersign.job)
                + (SELECT count(*) FROM countersign.target)
            """) == 0
    }

    @Test func `where everybody may read, documents are served whole, and else to nobody without a token`() async throws
    {
        for isOpen in [true, false] {
            try await DoorsFixture.withDoors(.doors { $0.api.anonymousRead = isOpen }) { (doors) async throws in
                let taken = try await put(doors, try await attester(doors))
                let id = try #require(taken.json["id"]?.integer)
                let document = try await doors.get("/v1/attestations/\(id)/document")
                #expect(document.status == (isOpen ? 200 : 401))
                #expect((document.body == sampleVEX(1)) == isOpen)
                #expect(try await put(doors, nil).status == 401)
            }
        }
    }

    @Test func `a document within the scope is taken, and shown`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await attester(doors)
            let digest = Base64.encode(Hash.sha256(sampleVEX(1)))
            let taken = try await put(doors, token, headers: ["Content-Digest": "sha-256=:\(digest):"])
            #expect(taken.status == 202, "\(taken.json)")
            #expect(taken.json["state"]?.text == "queued")
            #expect(taken.json["predicate_type"]?.text == "https://openvex.dev/ns")
            #expect(taken.json["facts"]?.text == "OpenVEX 0.2.0")
            #expect(taken.json["document"]?["digest"]?.text == Digest.sha256(of: sampleVEX(1)).description)
            let id = try #require(taken.json["id"]?.integer)
            let again = try await put(doors, token)
            #expect(again.status == 202 && again.json["id"]?.integer == id)

            let shown = try await doors.get("/v1/attestations/\(id)", token: token)
            #expect(shown.status == 200)
            let list = try JSONValue(parsing: try await doors.get("/v1/attestations?ref=\(app)", token: token).body)
            guard case .array(let listed)? = list["attestations"] else { return #expect(Bool(false), "no list") }
            #expect(listed.count == 1)
            let document = try await doors.get("/v1/attestations/\(id)/document", token: token)
            #expect(document.status == 200 && document.body == sampleVEX(1))
            let entries = try await audit(doors)
            #expect(entries.map(\.outcome) == [.accepted, .accepted])
            #expect(entries[0].actor == "pipeline" && entries[0].repository == "registry.example.com/team/app")
            #expect(entries[0].digest == Digest.sha256(of: sampleVEX(1)).description)
        }
    }

    @Test func `a VEX supersedes unless it is told not to, others do not unless they are told to`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await attester(doors, ["registry.example.com/team/**"], ["vex", "cyclonedx"])
            let cases: [(type: String, more: String, document: [UInt8], replaces: Bool)] = [
                ("openvex", "", sampleVEX(1), true), ("openvex", "&replace=false", sampleVEX(2), false),
                ("cyclonedx", "", sampleCycloneDX(1, isVEX: true), true),
                ("cyclonedx", "&replace=false", sampleCycloneDX(2, isVEX: true), false),
                ("cyclonedx", "", sampleCycloneDX(3, isVEX: false), false),
                ("cyclonedx", "&replace=true", sampleCycloneDX(4, isVEX: false), true),
            ]
            for (type, more, document, replaces) in cases {
                let taken = try await put(doors, token, type: type, more: more, document)
                #expect(taken.status == 202, "\(taken.json)")
                #expect(taken.json["replaces"] == .bool(replaces), "\(taken.json)")
            }
        }
    }

    @Test func `who may not, or what is not allowed, is refused with a row in the audit log, and nothing is kept`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await attester(doors, ["registry.example.com/team/**", "registry.example.com/other/**"])
            let viewer = try await doors.token(.viewer)
            let spdx = try sampleDocument("spdx-2.3.json")
            let cases: [(token: String, ref: String, type: String, body: [UInt8], status: Int, code: String)] = [
                // wrong role
                (viewer, app, "openvex", sampleVEX(1), 403, "api.forbidden"),
                // wrong predicate type
                (token, app, "spdxjson", spdx, 403, "attestation.type_out_of_scope"),
                // another tenant's repository
                (
                    token, "registry.example.com/tenant/app@\(sampleDigest("image"))", "openvex", sampleVEX(1), 403,
                    "api.out_of_scope"
                ),
                // what policy does not let us sign
                (
                    token, "registry.example.com/other/app@\(sampleDigest("image"))", "openvex", sampleVEX(1), 403,
                    "policy.refused"
                ),
                // not what it says
                (token, app, "openvex", try sampleDocument("cyclonedx-1.6.json"), 422, "attestation.document_invalid"),
                (token, app, "openvex", Array("{".utf8), 422, "attestation.document_invalid"),
                (token, app, "nothing", sampleVEX(1), 400, "attestation.type_unknown"),
                (token, app, "https://sigstore.dev/cosign/sign/v1", sampleVEX(1), 400, "attestation.type_unknown"),
                (
                    token, app, "https://in-toto.io/attestation/reference/v0.1", sampleVEX(1), 400,
                    "attestation.type_unknown"
                ),
                (token, app, "openvex", [], 400, "api.malformed"),
            ]
            for (count, attempt) in cases.enumerated() {
                let answer = try await put(doors, attempt.token, ref: attempt.ref, type: attempt.type, attempt.body)
                #expect(answer.status == attempt.status, "\(attempt.type): \(answer.json)")
                #expect(answer.json["code"]?.text == attempt.code, "\(attempt.type)")
                let entries = try await audit(doors)
                #expect(entries.count == count + 1)
                #expect(entries[0].outcome == .refused && entries[0].code == attempt.code)
            }
            #expect(try await isUntouched(doors))
        }
    }

    @Test func `only a refusal before the document was read ends the connection, and says so`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await attester(doors)
            for (type, body, ends) in [("spdxjson", sampleVEX(1), true), ("openvex", Array("{".utf8), false)] {
                let answer = try await doors.send(
                    .put, .api, "/v1/attestations?ref=\(app)&type=\(type)",
                    headers: ["Authorization": "Bearer \(token)"], body: body)
                #expect((answer.headers["Connection"] == "close") == ends, "\(type): \(answer.status)")
            }
        }
    }

    @Test func `a refused image takes no documents`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await attester(doors)
            _ = try await doors.deliver(envelope(notification()))
            let claim = try await doors.queue.claimOne()
            _ = try await doors.queue.queue.settle(claim, as: .refused(sampleFailure))
            let answer = try await put(doors, token)
            #expect(answer.status == 409 && answer.json["code"]?.text == "attestation.artifact_refused")
            #expect(try await doors.queue.number("SELECT count(*) FROM countersign.attestation") == 0)
            #expect(try await audit(doors).map(\.code) == ["attestation.artifact_refused"])
        }
    }

    @Test func `a document about the child of an index waits for the index, though the child's own push was refused`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let token = try await attester(doors)
            _ = try await doors.deliver(envelope(notification(tag: nil)))
            #expect(try await doors.events("refused") == 1)
            let answer = try await put(doors, token)
            #expect(answer.status == 202, "\(answer.json)")
            #expect(answer.json["state"]?.text == "queued")
        }
    }

    @Test func `strangers are refused without a row, and scoped tokens see only their own`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            #expect(try await put(doors, nil).status == 401)
            #expect(try await put(doors, "cs_attester_0").status == 401)
            #expect(try await audit(doors).isEmpty)
            let token = try await attester(doors)
            let other = "/v1/artifacts?ref=registry.example.com/tenant/app@\(sampleDigest("image"))"
            #expect(try await doors.get(other, token: token).status == 403)
            #expect(try await doors.get("/v1/endpoints", token: token).status == 403)
            let id = try #require(try await put(doors, token).json["id"]?.integer)
            let stranger = try await APITokens(pool: doors.queue.pool).create(
                name: "stranger", role: .attester, lifetime: nil,
                scope: TokenScope(repositories: ["registry.example.com/tenant/**"], predicateTypes: ["*"]))
            #expect(try await doors.get("/v1/attestations/\(id)", token: stranger).status == 404)
            #expect(try await doors.get("/v1/attestations/\(id)/document", token: stranger).status == 404)
        }
    }

    @Test func `a token that is confined to predicate types reads no documents of others, whatever its role`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            let id = try #require(try await put(doors, try await attester(doors)).json["id"]?.integer)
            let tokens = APITokens(pool: doors.queue.pool)
            for role in APITokens.Role.allCases {
                for (types, isInside) in [(["spdxjson"], false), (["spdxjson", "vex"], true)] {
                    let token = try await tokens.create(
                        name: "\(role.rawValue) \(types)", role: role, lifetime: nil,
                        scope: TokenScope(repositories: ["registry.example.com/team/**"], predicateTypes: types))
                    let list = try await doors.get("/v1/attestations?ref=\(app)", token: token)
                    #expect(list.status == 200)
                    let shown = try JSONValue(parsing: list.body)["attestations"]
                    guard case .array(let shown)? = shown else { throw SupportError("no list") }
                    #expect(shown.count == (isInside ? 1 : 0), "\(role) \(types)")
                    for path in ["/v1/attestations/\(id)", "/v1/attestations/\(id)/document"] {
                        let answer = try await doors.get(path, token: token)
                        #expect(answer.status == (isInside ? 200 : 404), "\(role) \(types) \(path)")
                    }
                }
            }
            let refused = try await put(
                doors,
                try await tokens.create(
                    name: "bills of material", role: .operator, lifetime: nil,
                    scope: TokenScope(repositories: ["**"], predicateTypes: ["spdxjson"])))
            #expect(refused.status == 403 && refused.json["code"]?.text == "attestation.type_out_of_scope")
        }
    }

    @Test func `a token that is confined to predicate types commands no work of others, nor sees it or who asked`()
        async throws
    {
        try await DoorsFixture.withDoors { (doors) async throws in
            #expect(try await put(doors, try await attester(doors)).status == 202)
            #expect(try await put(doors, try await doors.token(.viewer)).status == 403)
            let tokens = APITokens(pool: doors.queue.pool)
            func token(_ type: String) async throws -> String {
                try await tokens.create(
                    name: type, role: .operator, lifetime: nil,
                    scope: TokenScope(repositories: ["registry.example.com/team/**"], predicateTypes: [type]))
            }
            let (inside, outside) = (try await token("vex"), try await token("spdxjson"))
            func status(_ method: HTTPRequest.Method, _ path: String, _ token: String) async throws -> Int {
                try await doors.send(method, .api, path, headers: ["Authorization": "Bearer \(token)"]).status
            }
            func shown(_ path: String, _ member: String, _ token: String) async throws -> [JSONValue] {
                guard
                    case .array(let items)? = try JSONValue(parsing: try await doors.get(path, token: token).body)[
                        member]
                else { throw SupportError("no \(member)") }
                return items
            }
            let job = try #require(try await doors.queue.records.jobs().items.first).id
            #expect(try await status(.get, "/v1/jobs/\(job)", outside) == 404)
            #expect(try await status(.post, "/v1/jobs/\(job)/retry", outside) == 404)
            #expect(try await status(.post, "/v1/jobs/\(job)/cancel", outside) == 404)
            #expect(try await shown("/v1/jobs", "jobs", outside).isEmpty)
            #expect(try await shown("/v1/jobs", "jobs", inside).count == 1)
            #expect(try await status(.post, "/v1/jobs/\(job)/retry", inside) == 202)

            let claim = try await doors.queue.claimOne()
            _ = try await doors.queue.queue.settle(claim, as: .failed(sampleFailure))
            #expect(try await status(.post, "/v1/dead-letters/\(job)/redrive", outside) == 404)
            #expect(try await shown("/v1/dead-letters", "dead_letters", outside).isEmpty)
            #expect(try await shown("/v1/dead-letters", "dead_letters", inside).count == 1)
            #expect(try await status(.post, "/v1/dead-letters/\(job)/redrive", inside) == 202)

            #expect(try await shown("/v1/audit", "acts", outside).isEmpty)
            #expect(
                try await shown("/v1/audit", "acts", inside).map { $0["action"]?.text } == [
                    "dead_letter.redrive", "job.retry", "attestation.upload", "attestation.upload",
                ])
        }
    }

    @Test func `what is too large, or is not what its digest says, is not kept`() async throws {
        let small = Configuration.doors { $0.attestations.maxDocumentBytes = 1000 }
        try await DoorsFixture.withDoors(small) { (doors) async throws in
            let token = try await attester(doors)
            let large = try await put(doors, token, [UInt8](repeating: 0x20, count: 1001))
            #expect(large.status == 413 && large.json["code"]?.text == "api.too_large")
            let wrong = try await put(doors, token, headers: ["Digest": "SHA-256=AAAA"])
            #expect(wrong.status == 400 && wrong.json["code"]?.text == "attestation.digest_mismatch")
            #expect(try await isUntouched(doors))
            #expect(try await audit(doors).map(\.outcome) == [.refused, .refused])
        }
    }

    @Test func `only what may pass is asked for again, and of whatever fails the log says why`() async throws {
        let lines = KeptLines()
        try await DoorsFixture.withDoors(logger: lines.logger) { (doors) async throws in
            let token = try await attester(doors)
            let cases: [(sqlState: String, status: Int, code: String, level: Logger.Level)] = [
                ("P0001", 500, "http.internal", .error), ("53100", 503, "api.unavailable", .warning),
            ]
            for (sqlState, status, code, level) in cases {
                try await doors.queue.refuse("INSERT ON countersign.attestation", sqlState: sqlState)
                let answer = try await put(doors, token)
                #expect(answer.status == status && answer.json["code"]?.text == code, "\(answer.json)")
                #expect(!"\(answer.json)".contains(sqlState))
                let told = lines.kept.withLock { $0 }.filter { $0.text.contains("PostgreSQL answered \(sqlState)") }
                #expect(told.map(\.level) == [level], "\(told)")
                #expect(try await audit(doors).first?.code == code)
                try await doors.queue.refuseNothing()
            }
            #expect(try await isUntouched(doors))
            #expect(try await put(doors, token).status == 202)
        }
    }

    @Test func `a tag is unknown by the registry's own word alone, and all else that it answers is its failure`()
        async throws
    {
        @Sendable func answer(_ status: Int, _ code: String) -> LoopbackServer.Action {
            .answer(status, [("Content-Type", "application/json")], Array(#"{"errors":[{"code":"\#(code)"}]}"#.utf8))
        }
        let registry = try LoopbackServer { request in
            switch request.path.split(separator: "/").last ?? "" {
            case "away": answer(500, "UNKNOWN")
            case "closed": answer(401, "UNAUTHORIZED")
            case "proxied": .answer(404, [("Content-Type", "text/html")], Array("<h1>nothing here</h1>".utf8))
            default: answer(404, "MANIFEST_UNKNOWN")
            }
        }
        defer { registry.stop() }
        var upstream = UpstreamConfiguration(url: registry.url)
        (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
        let asking = Configuration.doors { $0.registries[0].upstream = upstream }
        try await DoorsFixture.withDoors(asking) { (doors) async throws in
            let token = try await attester(doors)
            let cases = [
                ("away", 502, "attestation.registry", "[registry.unavailable]"),
                ("closed", 502, "attestation.registry", "[registry.unauthorized]"),
                ("proxied", 502, "attestation.registry", "[registry.not_found]"),
                ("unpushed", 404, "attestation.tag_unknown", "name the artifact by its digest"),
            ]
            for (tag, status, code, words) in cases {
                let answer = try await put(doors, token, ref: "registry.example.com/team/app:\(tag)")
                #expect(answer.status == status && answer.json["code"]?.text == code, "\(tag): \(answer.json)")
                #expect(answer.json["detail"]?.text?.contains(words) == true, "\(tag): \(answer.json)")
                #expect(try await audit(doors).first?.code == code)
            }
            #expect(try await isUntouched(doors))
        }
    }

    @Test func `the audit log cannot be changed`() async throws {
        try await DoorsFixture.withDoors { (doors) async throws in
            _ = try await put(doors, try await doors.token(.viewer))
            for statement in [
                "UPDATE countersign.audit SET actor = 'x'", "DELETE FROM countersign.audit",
                "TRUNCATE countersign.audit",
            ] as [Query] {
                await #expect(throws: PostgresError.self) { try await doors.queue.pool.execute(statement) }
            }
            #expect(try await audit(doors).count == 1)
        }
    }

    @Test func `scope and role belong together`() async throws {
        let database = try await QueueFixture()
        let tokens = APITokens(pool: database.pool)
        await #expect(throws: QueueError.self) { try await tokens.create(name: "a", role: .attester, lifetime: nil) }
        await #expect(throws: QueueError.self) {
            try await tokens.create(
                name: "b", role: .operator, lifetime: nil, scope: TokenScope(repositories: [], predicateTypes: []))
        }
        _ = try await tokens.create(
            name: "c", role: .operator, lifetime: nil, scope: TokenScope(repositories: ["a/**"], predicateTypes: ["*"]))
        _ = try await tokens.create(
            name: "d", role: .viewer, lifetime: nil, scope: TokenScope(repositories: ["**"], predicateTypes: ["vex"]))
        await #expect(throws: QueueError.self) {
            try await tokens.create(
                name: "e", role: .viewer, lifetime: nil, scope: TokenScope(repositories: [], predicateTypes: ["vex"]))
        }
        let scopes = try await tokens.list().map(\.scope)
        #expect(scopes.map { $0?.repositories.first?.pattern } == ["a/**", "**"])
        #expect(scopes.map { $0?.predicateTypes } == [["*"], ["https://openvex.dev/ns"]])
    }
}

@Suite struct DocumentMemoryTests {
    @Test func `documents wait for room, and one that is given up does not take it`() async throws {
        let memory = DocumentMemory(capacity: 10)
        let waiting = try await memory.holding(6) {
            let waiting = Task { try await memory.holding(8) { true } }
            let cancelled = Task { try await memory.holding(9) { true } }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            return waiting
        }
        #expect(try await waiting.value)
        // larger than everything: alone, not never
        #expect(try await memory.holding(100) { true })
    }
}
