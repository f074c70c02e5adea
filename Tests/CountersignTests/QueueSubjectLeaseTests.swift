import OCI
import Postgres
import Support
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

    @Test func `a lease is renewed by its holder while that one has its job`() async throws {
        let fixture = try await QueueFixture()
        let (first, second, subject) = try await rivals(fixture)
        let old = try #require(
            try await SubjectLease.acquire(for: first, of: subject, lasting: .seconds(60), in: fixture.pool))
        try await fixture.pool.execute(
            "UPDATE countersign.subject_lease SET expires_at = now() - interval '1 second'")
        #expect(try await old.renew(for: .seconds(60)))
        #expect(
            try await SubjectLease.acquire(for: second, of: subject, lasting: .seconds(60), in: fixture.pool) == nil)
        try await fixture.expireLeases()
        #expect(try await old.renew(for: .seconds(60)) == false, "its job is somebody else's")
    }

    @Test func `a writer that takes longer than a turn keeps it`() async throws {
        let fixture = try await QueueFixture()
        let (first, second, subject) = try await rivals(fixture)
        let turns = SubjectTurns(pool: fixture.pool, lasting: .seconds(4))
        try await turns.taking(subject, at: subject.repository, for: first) {
            let began = try await fixture.text("SELECT expires_at::text FROM countersign.subject_lease")
            try await eventually("the first turn is over") {
                try await fixture.text(
                    "SELECT (clock_timestamp() > \(began)::text::timestamptz)::text") == "true"
            }
            let busy = await #expect(throws: SigningError.self) {
                try await turns.taking(subject, at: subject.repository, for: second) {}
            }
            #expect(busy?.code == "signing.subject_busy")
        }
        try await turns.taking(subject, at: subject.repository, for: second) {}
    }

    @Test func `a writer that lost its turn is stopped`() async throws {
        let fixture = try await QueueFixture()
        let (first, _, subject) = try await rivals(fixture)
        let turns = SubjectTurns(pool: fixture.pool, lasting: .milliseconds(300))
        let lost = await #expect(throws: SigningError.self) {
            try await turns.taking(subject, at: subject.repository, for: first) {
                try await fixture.pool.execute("UPDATE countersign.subject_lease SET token = token + 1000")
                try await Task.sleep(for: .seconds(600))
            }
        }
        #expect(lost?.code == "signing.subject_busy")
    }

    @Test func `an attempt that lost its job gets no lease`() async throws {
        let fixture = try await QueueFixture()
        let (first, _, subject) = try await rivals(fixture)
        try await fixture.expireLeases()
        await #expect(throws: QueueError.self) {
            try await SubjectLease.acquire(for: first, of: subject, lasting: .seconds(60), in: fixture.pool)
        }
    }

    @Test func `once an artifact is revoked only its withdrawal may write`() async throws {
        let fixture = try await QueueFixture()
        let (claim, _, subject) = try await rivals(fixture)
        _ = try await Revocations(queue: fixture.queue).revoke(
            .init(
                repository: subject.repository, digest: subject.digest, reason: "it has a hole",
                principal: .init(tokenID: 1, name: "operator", role: .operator, scope: nil)), removing: true)
        // an attestation's attempt asks with its own job, and about the same artifact
        #expect(try await refusal(fixture, claim, subject) == Lineage.revokedCode)
        _ = try await fixture.queue.settle(claim, as: .refused(sampleFailure))
        let withdrawal = try #require(try await fixture.claim().first { $0.kind == .withdraw })
        #expect(
            try await SubjectLease.acquire(for: withdrawal, of: subject, lasting: .seconds(60), in: fixture.pool) != nil
        )
    }

    @Test(arguments: [true, false])
    func `an older generation writes no more once a newer one takes it out of the lists`(removing: Bool) async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        try await fixture.push(samplePush(digest))
        let (claim, digest) = (try await fixture.claimOne(), digest)
        let subject = try #require(claim.target)
        _ = try await fixture.pool.together { session in
            try JobQueue.openGenerations(
                [
                    .init(
                        repository: subject.repository, digest: digest, rule: "all", policyVersion: "v1",
                        formats: [.bundle])
                ],
                .init(reason: "anew", removesOlder: removing, by: "operator", batch: 1), in: session)
        }
        #expect(try await refusal(fixture, claim, subject) == (removing ? Lineage.supersededCode : nil))
    }

    /// The code under which the lease is refused; nil if it is given.
    private func refusal(_ fixture: QueueFixture, _ claim: Claim, _ subject: Target) async throws -> String? {
        let asked = await Result {
            try await SubjectLease.acquire(for: claim, of: subject, lasting: .seconds(60), in: fixture.pool)
        }
        switch asked {
        case .success(let lease):
            #expect(lease != nil)
            return nil
        case .failure(let error): return (error as? QueueError)?.code
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
