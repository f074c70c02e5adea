import OCI
import Postgres
import Testing

@testable import Countersign

@Suite struct QueueSubjectLeaseTests {
    let digest = sampleDigest("app")

    /// Two attempts that want to write referrers of the same subject.
    private func rivals(_ fixture: QueueFixture) async throws -> (Claim, Claim, Target) {
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("b")))
        let claims = try await fixture.claim()
        return (claims[0], claims[1], try #require(claims[0].target))
    }

    @Test func `one attempt writes a subject at a time`() async throws {
        let fixture = try await QueueFixture()
        let (first, second, subject) = try await rivals(fixture)
        let lease = try #require(
            try await SubjectLease.acquire(for: first, of: subject, lasting: .seconds(60), in: fixture.pool))
        #expect(
            try await SubjectLease.acquire(for: second, of: subject, lasting: .seconds(60), in: fixture.pool) == nil)
        // the same attempt, after a lost answer
        let again = try #require(
            try await SubjectLease.acquire(for: first, of: subject, lasting: .seconds(60), in: fixture.pool))
        #expect(again.token > lease.token)
        try await lease.release()
        #expect(
            try await SubjectLease.acquire(for: second, of: subject, lasting: .seconds(60), in: fixture.pool) == nil)
        try await again.release()
        #expect(
            try await SubjectLease.acquire(for: second, of: subject, lasting: .seconds(60), in: fixture.pool) != nil)
    }

    @Test func `a lease that ran out passes on and its old holder cannot release it`() async throws {
        let fixture = try await QueueFixture()
        let (first, second, subject) = try await rivals(fixture)
        let old = try #require(
            try await SubjectLease.acquire(for: first, of: subject, lasting: .seconds(60), in: fixture.pool))
        try await fixture.pool.execute(
            "UPDATE countersign.subject_lease SET expires_at = now() - interval '1 second'")
        let new = try #require(
            try await SubjectLease.acquire(for: second, of: subject, lasting: .seconds(60), in: fixture.pool))
        #expect(new.token > old.token)
        try await old.release()
        #expect(try await fixture.number("SELECT token FROM countersign.subject_lease") == Int(new.token))
    }

    @Test func `an attempt that lost its job gets no lease`() async throws {
        let fixture = try await QueueFixture()
        let (first, _, subject) = try await rivals(fixture)
        try await fixture.expireLeases()
        await #expect(throws: QueueError.self) {
            try await SubjectLease.acquire(for: first, of: subject, lasting: .seconds(60), in: fixture.pool)
        }
    }
}
