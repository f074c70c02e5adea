import OCI
import Postgres
import Support
import Testing

@testable import Countersign

@Suite struct RecordsTests {
    let digest = sampleDigest("app")

    private func repository() throws -> Repository { try Repository(registry: "registry.example", name: "team/app") }

    @Test func `the status follows an artifact from push to signature`() async throws {
        let fixture = try await QueueFixture()
        let repository = try repository()
        #expect(try await fixture.records.status(of: digest, in: repository) == nil)
        try await fixture.push(samplePush(digest))
        let queued = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(queued.state == .queued && queued.signature == nil && queued.nextAttemptAt != nil)
        let claim = try await fixture.claimOne()
        let signing = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(signing.state == .signing && signing.attempts == 1 && signing.nextAttemptAt == nil)
        _ = try await fixture.queue.settle(claim, as: .signed(sampleRecord(42)))
        let signed = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(signed.state == .signed && signed.signature?.logIndex == 42 && !signed.recheck)
        #expect(signed.signature?.identity == sampleRecord().identity && signed.rule == "all")
    }

    @Test func `a refusal at intake is visible although it made no target`() async throws {
        let fixture = try await QueueFixture()
        var request = samplePush(digest)
        request.verdict = .refused(reason: "repository is not on the list")
        try await fixture.push(request)
        let status = try #require(try await fixture.records.status(of: digest, in: repository()))
        #expect(status.state == .refused && status.targetID == nil)
        #expect(status.lastError?.observed == "repository is not on the list")
        #expect(try await fixture.records.status(of: sampleDigest("other"), in: repository()) == nil)
    }

    @Test func `a tag answers with the digest it was last seen at`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("old"), tag: "latest"))
        try await fixture.push(samplePush(digest, tag: "latest"))
        let status = try #require(try await fixture.records.status(ofTag: "latest", in: repository()))
        #expect(status.digest == digest && status.tag?.name == "latest")
        #expect(try await fixture.records.status(ofTag: "never", in: repository()) == nil)
    }

    @Test func `jobs are listed by state, newest first, a page at a time`() async throws {
        let fixture = try await QueueFixture()
        for index in 0..<5 { try await fixture.push(samplePush(sampleDigest(index))) }
        let first = try await fixture.records.jobs(limit: 2)
        let second = try await fixture.records.jobs(before: first.next, limit: 2)
        let third = try await fixture.records.jobs(before: second.next, limit: 2)
        let listed = (first.items + second.items + third.items).map(\.digest)
        #expect(listed == (0..<5).reversed().map { sampleDigest($0) })
        #expect(third.next == nil)
        let claim = try await fixture.claim(limit: 1)[0]
        #expect(try await fixture.records.jobs(state: .signing).items.map(\.id) == [claim.jobID])
        _ = try await fixture.queue.settle(claim, as: .retry(sampleFailure, after: .seconds(60), counts: false))
        let waiting = try await fixture.records.jobs(state: .waiting, repository: repository()).items
        #expect(waiting.map(\.id) == [claim.jobID] && waiting[0].lastError == sampleFailure)
        let elsewhere = try Repository(registry: "registry.example", name: "other")
        #expect(try await fixture.records.jobs(repository: elsewhere).items.isEmpty)
    }

    @Test func `queue depth counts by lane and state`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(
            samplePush(digest), samplePush(sampleDigest("b")), samplePush(sampleDigest("c"), lane: .bulk))
        _ = try await fixture.queue.claim(limit: 1, cursor: ClaimCursor())
        let depth = try await fixture.records.queueDepth()
        let counted = depth.map { "\($0.lane.name) \($0.state) \($0.jobs)" }.sorted()
        #expect(counted == ["bulk queued 1", "live queued 1", "live signing 1"])
        #expect(depth.allSatisfy { $0.oldestAge >= .zero && $0.longestDue >= .zero })
        #expect(try await fixture.records.deadLetterCount() == 0)
    }
}

@Suite struct RecordsAPITokenTests {
    @Test func `a token is known by its hash, its role and until it is revoked`() async throws {
        let fixture = try await QueueFixture()
        let tokens = APITokens(pool: fixture.pool)
        let token = try await tokens.create(name: "ci", role: .operator, lifetime: nil)
        #expect(token.hasPrefix("cs_operator_") && token.utf8.count == 76)
        let principal = try #require(try await tokens.authenticate(token))
        #expect(principal.name == "ci" && principal.role == .operator)
        #expect(try await tokens.list().first?.lastUsedAt != nil)
        for wrong in ["", "cs_operator_", token + "0", String(token.dropLast()), token.uppercased()] {
            #expect(try await tokens.authenticate(wrong) == nil, "\(wrong.count) characters")
        }
        let stored = try await fixture.text("SELECT string_agg(t::text, '') FROM countersign.api_token t")
        #expect(stored?.contains(token.suffix(64)) == false)
        #expect(try await tokens.revoke(name: "ci"))
        #expect(try await tokens.revoke(name: "ci") == false)
        #expect(try await tokens.authenticate(token) == nil)
    }

    @Test func `an expired token is nobody's and a name is taken only while it is in use`() async throws {
        let fixture = try await QueueFixture()
        let tokens = APITokens(pool: fixture.pool)
        let token = try await tokens.create(name: "ci", role: .viewer, lifetime: .seconds(60))
        #expect(try await tokens.authenticate(token) != nil)
        try await fixture.pool.execute("UPDATE countersign.api_token SET expires_at = now()")
        #expect(try await tokens.authenticate(token) == nil)
        await #expect(throws: QueueError.self) { try await tokens.create(name: "ci", role: .admin, lifetime: nil) }
        _ = try await tokens.revoke(name: "ci")
        _ = try await tokens.create(name: "ci", role: .admin, lifetime: nil)
    }

    @Test func `roles are ordered`() {
        #expect(APITokens.Role.viewer < .operator && APITokens.Role.operator < .admin)
    }
}
