import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// A revocation and its release are somebody's word of this minute: a batch of thousands is not in their way.
@Suite struct QueueRevocationTests {
    private static let image = sampleDigest("image")

    private static func request() throws -> Revocations.Request {
        .init(
            repository: try Repository(registry: "registry.example", name: "team/app"), digest: image,
            reason: "it has a hole", principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil))
    }

    /// 300 jobs of a batch that are due, and then the image's, to be signed with others.
    private static func backlog() async throws -> QueueFixture {
        let fixture = try await QueueFixture()
        for start in [0, 150] {
            _ = try await fixture.queue.enqueue(
                (start..<start + 150).map { samplePush(sampleDigest("backlog \($0)"), lane: .bulk) })
        }
        try await fixture.push(samplePush(image, lane: .bulk))
        try await group(fixture)
        return fixture
    }

    private static func group(_ fixture: QueueFixture) async throws {
        try await fixture.pool.execute(
            """
            UPDATE countersign.job SET lane = 2, group_id = 7, run_at = now() - interval '1 second'
            WHERE target_id = (SELECT id FROM countersign.target WHERE digest = \(image.description)::text)
            """)
    }

    @Test func `a withdrawal does not stand behind the batch that the image's job came with`() async throws {
        let fixture = try await Self.backlog()
        #expect(try await Revocations(queue: fixture.queue).revoke(Self.request(), removing: true))
        let claims = try await fixture.queue.claim(limit: 12, cursor: ClaimCursor(), groups: false)
        #expect(claims.contains { $0.kind == .withdraw && $0.target?.digest == Self.image })
    }

    @Test func `nor does the signature that a release asks for`() async throws {
        let fixture = try await Self.backlog()
        let revocations = Revocations(queue: fixture.queue)
        #expect(try await revocations.revoke(Self.request(), removing: true))
        try await Self.group(fixture)
        #expect(try await revocations.release(Self.request()))
        let claims = try await fixture.queue.claim(limit: 12, cursor: ClaimCursor(), groups: false)
        #expect(claims.contains { $0.kind == .sign && $0.target?.digest == Self.image })
    }
}
