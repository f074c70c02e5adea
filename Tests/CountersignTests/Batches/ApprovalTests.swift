import Curl
import OCI
import Postgres
import StrictJSON
import Support
import Testing

@testable import Countersign

/// Batches that a second person has to agree to.
@Suite struct ApprovalTests {
    private func proposed(_ fixture: BatchFixture, by asker: APITokens.Principal? = nil) async throws -> Batch {
        let repository = try Repository(registry: BatchFixture.registry, name: "team/app")
        let subjects = [sampleDigest("a"), sampleDigest("b")].map { digest in
            BatchSubject(repository: repository, tag: nil, digest: digest)
        }
        let stored = try await fixture.records.store(
            subjects, BatchRequest(subjects: .list(subjects), action: .sign, formats: nil, reason: "because"),
            selector: nil, needsApproval: true,
            from: .init(principal: asker ?? fixture.principal, key: "k", fingerprint: [UInt8](repeating: 1, count: 32)))
        guard case .stored(let batch) = stored else { throw SupportError("not stored") }
        return batch
    }

    private func admin(
        _ name: String, person: String? = nil, _ fixture: BatchFixture
    ) async throws -> APITokens.Principal {
        let tokens = APITokens(pool: fixture.database.pool)
        let token = try await tokens.create(name: name, role: .admin, lifetime: nil, person: person)
        return try #require(try await tokens.authenticate(token))
    }

    @Test func `nothing of it enters the queue until another token approves, and both are on record`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await proposed(fixture)
        #expect(batch.state == .proposed && batch.approval == nil)
        #expect(try await fixture.feeder().step() == false)
        #expect(try await fixture.database.jobCount() == 0)

        let own = try await fixture.records.approve(batch.id, by: fixture.principal)
        #expect(own == .ownRequest(batch))
        #expect(try await fixture.database.jobCount() == 0)

        let second = try await admin("second", fixture)
        guard case .done(let approved) = try await fixture.records.approve(batch.id, by: second) else {
            throw SupportError("not approved")
        }
        #expect(approved.state == .running && approved.approval?.by == "second")
        _ = try await fixture.feeder().step()
        #expect(try await fixture.database.jobCount() == 2)
        let rows = try await AuditLog(pool: fixture.database.pool).latest(2)
        #expect(rows.map(\.action) == ["batch.approve", "token.create"] && rows[0].actor == "second")
        #expect(rows[0].detail?.contains("2 references, request sha256:0101010101") == true)
        guard case .impossible = try await fixture.records.approve(batch.id, by: second) else {
            throw SupportError("approved twice")
        }
    }

    @Test func `a token of the same name is not a second person, nor is one of an issuer`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await proposed(fixture)
        let twin = APITokens.Principal(tokenID: 4_711, name: fixture.principal.name, role: .operator, scope: nil)
        #expect(try await fixture.records.approve(batch.id, by: twin) == .ownRequest(batch))
        let pipeline = APITokens.Principal(tokenID: nil, name: "ref b of ci", role: .operator, scope: nil)
        #expect(try await fixture.records.approve(batch.id, by: pipeline) == .notAPerson)
    }

    @Test func `two tokens of one person are not two persons, nor is who is named like a person`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await proposed(fixture, by: try await admin("laptop", person: "Alice", fixture))
        let desk = try await admin("desk", person: "Alice", fixture)
        #expect(try await fixture.records.approve(batch.id, by: desk) == .ownRequest(batch))
        #expect(try await fixture.records.approve(batch.id, by: admin("Alice", fixture)) == .ownRequest(batch))
        // a daemon of the version before stores no person: the token says who it was
        try await fixture.database.pool.execute("UPDATE countersign.batch SET person = NULL")
        #expect(try await fixture.records.approve(batch.id, by: desk) == .ownRequest(batch))

        let other = try await admin("other", person: "Bob", fixture)
        guard case .done(let approved) = try await fixture.records.approve(batch.id, by: other) else {
            throw SupportError("not approved")
        }
        #expect(approved.approval?.by == "other")
        let row = try await AuditLog(pool: fixture.database.pool).latest(1).first
        #expect(row?.detail?.hasPrefix("asked for by laptop, person Alice; ") == true)
    }

    @Test(arguments: [(nil, "Alice"), ("Alice", nil)] as [(String?, String?)])
    func `a token that is made again under the name of the one that asked is not a second person`(
        _ before: String?, _ after: String?
    ) async throws {
        let fixture = try await BatchFixture()
        let batch = try await proposed(fixture, by: try await admin("laptop", person: before, fixture))
        #expect(try await APITokens(pool: fixture.database.pool).revoke(name: "laptop"))
        let again = try await admin("laptop", person: after, fixture)
        #expect(try await fixture.records.approve(batch.id, by: again) == .ownRequest(batch))
    }

    @Test func `who asked through an issuer is known by subject and issuer`() async throws {
        let fixture = try await BatchFixture()
        let name = OIDCAuthenticator.name("alice", of: "https://issuer.example")
        let asker = APITokens.Principal(tokenID: nil, name: name, role: .operator, scope: nil)
        let batch = try await proposed(fixture, by: asker)
        let own = try await admin("desk", person: "alice of https://issuer.example", fixture)
        #expect(try await fixture.records.approve(batch.id, by: own) == .ownRequest(batch))
        guard case .done = try await fixture.records.approve(batch.id, by: admin("other", fixture)) else {
            throw SupportError("not approved")
        }
    }

    @Test func `one that was taken back and is resumed needs the approval still`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await proposed(fixture)
        guard case .done = try await fixture.records.cancel(batch.id, by: fixture.principal) else {
            throw SupportError("not cancelled")
        }
        _ = try await fixture.feeder().step()
        guard case .done(let resumed) = try await fixture.records.resume(batch.id, by: fixture.principal) else {
            throw SupportError("not resumed")
        }
        #expect(resumed.state == .proposed)
        _ = try await fixture.feeder().step()
        #expect(try await fixture.database.jobCount() == 0)
    }

    @Test(arguments: [
        (BatchConfiguration.Approval.none, "running", "running"), (.resign, "running", "proposed"),
        (.all, "proposed", "proposed"),
    ])
    func `which batches need it is configuration`(
        _ approval: BatchConfiguration.Approval, _ sign: String, _ resign: String
    ) async throws {
        try await DoorsFixture.withDoors(.doors { $0.batches.approval = approval }) { (doors) async throws in
            let token = try await doors.token(.admin)
            let peer = try await doors.token(.operator)
            let reference = "registry.example.com/team/app@\(sampleDigest("a"))"
            for (path, state) in [("/v1/batches", sign), ("/v1/resign", resign)] {
                let answer = try await doors.send(
                    .post, .api, path,
                    headers: ["Authorization": "Bearer \(token)", "Idempotency-Key": path],
                    body: Array("{\"references\":[\"\(reference)\"],\"reason\":\"x\"}".utf8))
                let batch = try JSONValue(parsing: answer.body)
                #expect(answer.status == 202 && batch["state"]?.text == state, "\(path)")
                let id = try #require(batch["id"]?.integer)
                guard state == "proposed" else { continue }
                for (token, code) in [(token, "batch.own_request"), (peer, "api.forbidden")] {
                    let refused = try await doors.send(
                        .post, .api, "/v1/batches/\(id)/approve", headers: ["Authorization": "Bearer \(token)"])
                    #expect(try refused.status == 403 && JSONValue(parsing: refused.body)["code"]?.text == code)
                }
            }
        }
    }
}
