import OCI
import Postgres
import Testing

@testable import Countersign

@Suite struct QueueContentionTests {
    /// Pushes, claims, ends of every kind, heartbeats, rescues and cancellations of the same few images, all at once: no
    /// call may fail but for a lost lease, and afterwards states and jobs agree and all of it can be signed.
    @Test(.timeLimit(.minutes(5)))
    func `pushes during every kind of end leave nothing lost or contradictory`() async throws {
        let fixture = try await QueueFixture()
        let digests = (0..<12).map { sampleDigest($0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<60 { _ = try await fixture.queue.enqueue(digests.shuffled().map { samplePush($0) }) }
                }
            }
            for worker in 0..<3 {
                group.addTask {
                    let queue = fixture.anotherQueue()
                    let cursor = ClaimCursor(sweepInterval: .zero)
                    for round in 0..<80 {
                        let claims = try await queue.claim(limit: 4, cursor: cursor)
                        _ = try await queue.heartbeat(claims)
                        for (index, claim) in claims.enumerated() {
                            let outcomes: [Outcome] = [
                                .signed(sampleRecord(claim.jobID)), .gone(sampleFailure), .failed(sampleFailure),
                                .retry(sampleFailure, after: .milliseconds(1), counts: true), .refused(sampleFailure),
                                .released,
                            ]
                            do {
                                _ = try await queue.settle(
                                    claim, as: outcomes[(worker + round + index) % outcomes.count])
                            } catch QueueError.leaseLost {}
                        }
                    }
                }
            }
            group.addTask {
                for round in 0..<20 {
                    if round.isMultiple(of: 5) { try await fixture.expireLeases() }
                    _ = try await fixture.queue.rescue()
                    let job = try await fixture.number(
                        "SELECT coalesce(max(id), 0) FROM countersign.job WHERE target_id = \(Int64(round % 12) + 1)")
                    _ = try await fixture.queue.cancel(job: Int64(job))
                    _ = try await fixture.queue.redriveOldest(limit: 3)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.contradictions() == 0)

        // calm again: one more push of each, and one worker
        _ = try await fixture.queue.enqueue(digests.map { samplePush($0) })
        try await fixture.expireLeases()
        _ = try await fixture.queue.rescue()
        while try await fixture.jobCount() > 0 {
            try await fixture.makeDue()
            for claim in try await fixture.claim() {
                _ = try await fixture.queue.settle(claim, as: .signed(sampleRecord(claim.jobID)))
            }
        }
        #expect(try await fixture.number("SELECT count(*) FROM countersign.target WHERE state = 'signed'") == 12)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.dead_letter") == 0)
    }
}
