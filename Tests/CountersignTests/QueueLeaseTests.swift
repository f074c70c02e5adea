import OCI
import Postgres
import Testing

@testable import Countersign

/// Who may write: only the attempt that holds the job now.
@Suite struct QueueLeaseTests {
    let digest = sampleDigest("app")

    @Test func `a rescued job cannot be settled by its first worker`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let zombie = try await fixture.claimOne()
        try await fixture.expireLeases()
        let rescued = try await fixture.queue.rescue()
        #expect(rescued == [.init(jobID: zombie.jobID, crashes: 1, isBuried: false)])
        #expect(try await fixture.state(digest) == "waiting")
        #expect(try await fixture.errorCode(digest) == "queue.lease_expired")
        try await fixture.makeDue()
        let heir = try await fixture.claimOne()
        #expect(heir.crashes == 1 && heir.attempt == 1)

        let outcomes: [Outcome] = [
            .signed(sampleRecord()), .refused(sampleFailure), .gone(sampleFailure), .failed(sampleFailure), .released,
            .retry(sampleFailure, after: .zero, counts: true), .resolved([]),
        ]
        for outcome in outcomes {
            await #expect(throws: QueueError.self, "\(outcome)") {
                try await fixture.queue.settle(zombie, as: outcome)
            }
        }
        try await fixture.queue.release([zombie])
        await #expect(throws: QueueError.self) { try await fixture.queue.markAlone(zombie) }
        #expect(try await fixture.state(digest) == "signing")
        let settled = try await fixture.queue.settle(heir, as: .signed(sampleRecord()))
        guard case .ended(.signed, let age) = settled else {
            Issue.record("\(settled)")
            return
        }
        #expect(age > .zero && age < .seconds(60))
    }

    @Test func `a heartbeat extends what is held and names what is lost or to be cancelled`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("b")), samplePush(sampleDigest("c")))
        let claims = try await fixture.claim()
        let (lost, cancelled, kept) = (claims[0], claims[1], claims[2])
        try await fixture.pool.execute(
            "UPDATE countersign.job SET lease_token = lease_token + 1000 WHERE id = \(lost.jobID)")
        #expect(try await fixture.queue.cancel(job: cancelled.jobID) == .cancelling)
        try await fixture.expireLeases()
        let beat = try await fixture.queue.heartbeat(claims)
        #expect(beat.lost == [lost.leaseToken])
        #expect(beat.cancelled == [cancelled.leaseToken])
        #expect(try await fixture.queue.rescue().map(\.jobID) == [lost.jobID])
        _ = try await fixture.queue.settle(kept, as: .signed(sampleRecord()))
    }

    @Test func `a heartbeat says whether its process still stands in the table`() async throws {
        let fixture = try await QueueFixture()
        #expect(try await fixture.queue.heartbeat([]).isKnown == false)
        try await fixture.queue.announce(host: "here", version: "1")
        #expect(try await fixture.queue.heartbeat([]).isKnown)
    }

    @Test func `a worker that claims its own expired job again loses only the first claim`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let first = try await fixture.claimOne()
        try await fixture.expireLeases()
        _ = try await fixture.queue.rescue()
        try await fixture.makeDue()
        let second = try await fixture.claimOne()
        #expect(first.jobID == second.jobID)
        let beat = try await fixture.queue.heartbeat([second, first])
        #expect(beat.lost == [first.leaseToken] && beat.cancelled.isEmpty)
        _ = try await fixture.queue.settle(second, as: .signed(sampleRecord()))
        #expect(try await fixture.queue.heartbeat([second]).lost == [second.leaseToken])
    }

    @Test func `work that is cancelled while it runs ends as cancelled when it would be tried again`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        _ = try await fixture.queue.cancel(job: claim.jobID)
        let settled = try await fixture.queue.settle(claim, as: .retry(sampleFailure, after: .zero, counts: false))
        guard case .ended(.cancelled, _) = settled else {
            Issue.record("\(settled)")
            return
        }
        #expect(try await fixture.state(digest) == "cancelled")
        #expect(try await fixture.jobCount() == 0)
    }

    @Test func `a push takes a cancellation back`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        _ = try await fixture.queue.cancel(job: claim.jobID)
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(claim, as: .retry(sampleFailure, after: .seconds(60), counts: false))
        #expect(try await fixture.claimOne().target?.digest == digest)
    }

    @Test func `released jobs are due at once and the attempt does not count`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("b")))
        let claims = try await fixture.claim()
        try await fixture.queue.release(claims)
        #expect(try await fixture.state(digest) == "queued")
        let again = try await fixture.claim()
        #expect(again.map(\.attempt) == [1, 1] && again.map(\.crashes) == [0, 0])
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `attempts count only where the job is to blame, failures always`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        for counts in [false, false, true] {
            _ = try await fixture.queue.settle(
                fixture.claimOne(), as: .retry(sampleFailure, after: .zero, counts: counts))
        }
        let claim = try await fixture.claimOne()
        #expect(claim.attempt == 2 && claim.failures == 3)
        #expect(try await fixture.number("SELECT count(first_failed_at) FROM countersign.job") == 1)
    }

    @Test func `a state without its evidence cannot be stored`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        for contradiction: (String) in ["signed", "failed", "waiting", "nonsense"] {
            let error = await #expect(throws: PostgresError.self, "\(contradiction)") {
                try await fixture.pool.execute("UPDATE countersign.target SET state = \(contradiction)::text")
            }
            #expect(
                error?.refusal?.hasPrefix("23514 target_") == true, "\(contradiction): \(String(describing: error))")
        }
    }

    @Test func `the members of a group that a worker died with come back together, and are taken together`()
        async throws
    {
        let fixture = try await QueueFixture()
        try await fixture.pushGroup(of: 20)
        let first = try await fixture.claimOne()
        let group = try #require(first.groupID)
        #expect(try await fixture.queue.gather(group, limit: 100).count == 19)
        // some had crashed before
        try await fixture.pool.execute("UPDATE countersign.job SET crash_count = id % 2")
        try await fixture.expireLeases()
        #expect(try await fixture.queue.rescue().count == 20)
        #expect(try await fixture.number("SELECT count(DISTINCT run_at) FROM countersign.job") == 1)
        // of those that died with another worker, a moment later, the first one takes the others along
        try await fixture.pool.execute(
            """
            UPDATE countersign.job
            SET run_at = now() + CASE WHEN id = \(first.jobID) THEN '0' ELSE '1 minute' END::interval
            """)
        #expect(try await fixture.claimOne().jobID == first.jobID)
        #expect(try await fixture.queue.gather(group, limit: 100).count == 19)
    }

    // MARK: Poison

    @Test func `jobs that crash together are not buried, a job that crashes alone is`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("innocent")))
        for crash in 1...3 {
            #expect(try await fixture.claim().count == 2)
            try await fixture.expireLeases()
            let rescued = try await fixture.queue.rescue()
            #expect(rescued.allSatisfy { $0.crashes == crash && !$0.isBuried })
            try await fixture.makeDue()
        }
        let claims = try await fixture.claim()
        var poison = try #require(claims.first { $0.target?.digest == digest })
        let innocent = try #require(claims.first { $0.target?.digest != digest })
        #expect(poison.crashes >= fixture.queue.settings.crashLimit)

        // run alone, it ends well: its record is clean
        try await fixture.queue.markAlone(innocent)
        _ = try await fixture.queue.settle(innocent, as: .retry(sampleFailure, after: .zero, counts: false))
        #expect(try await fixture.claimOne().crashes == 0)

        // a crash alone may still be somebody else's doing: a node that was taken away, an operator
        let settings = fixture.queue.settings
        for crash in (poison.crashes + 1)...(settings.crashLimit + settings.aloneCrashLimit) {
            let isLast = crash == settings.crashLimit + settings.aloneCrashLimit
            try await fixture.queue.markAlone(poison)
            try await fixture.expireLeases()
            let rescued = try #require(try await fixture.queue.rescue().first { $0.jobID == poison.jobID })
            #expect(rescued.crashes == crash)
            #expect(rescued.isBuried == isLast)
            guard !isLast else { break }
            try await fixture.makeDue()
            poison = try #require(try await fixture.claim().first { $0.target?.digest == digest })
        }
        #expect(try await fixture.state(digest) == "failed")
        #expect(try await fixture.errorCode(digest) == "queue.poison")
        let letters = try await fixture.records.deadLetters()
        #expect(letters.items.map(\.jobID) == [poison.jobID])
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `a redriven job is a new row that no zombie of the old one can settle`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let zombie = try await fixture.claimOne()
        _ = try await fixture.queue.settle(zombie, as: .failed(sampleFailure))
        let redriven = try await fixture.queue.redrive(jobs: [zombie.jobID])
        #expect(try await fixture.queue.redrive(jobs: [zombie.jobID]).isEmpty)
        #expect(try await fixture.state(digest) == "queued")
        let heir = try await fixture.claimOne()
        #expect(
            redriven == [heir.jobID] && heir.jobID != zombie.jobID && heir.leaseToken > zombie.leaseToken
                && heir.attempt == 1)
        await #expect(throws: QueueError.self) { try await fixture.queue.settle(zombie, as: .gone(sampleFailure)) }
    }

    @Test func `two sweeps at once rescue each job once`() async throws {
        let fixture = try await QueueFixture()
        _ = try await fixture.queue.enqueue((0..<50).map { samplePush(sampleDigest($0)) })
        #expect(try await fixture.claim().count == 50)
        try await fixture.expireLeases()
        async let first = fixture.queue.rescue()
        async let second = fixture.anotherQueue().rescue()
        let rescued = try await first + second
        #expect(rescued.count == 50 && Set(rescued.map(\.jobID)).count == 50)
        #expect(try await fixture.number("SELECT max(crash_count)::bigint FROM countersign.job") == 1)
    }

    // MARK: Operators

    @Test func `what waits is cancelled at once, with or without a target`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(nil, tag: "latest"))
        #expect(try await fixture.cancelAll() == [.cancelled, .cancelled])
        #expect(try await fixture.jobCount() == 0)
        #expect(try await fixture.state(digest) == "cancelled")
        #expect(try await fixture.queue.cancel(job: 1) == nil)
    }

    @Test func `the oldest dead letters are redriven first, so many at a time`() async throws {
        let fixture = try await QueueFixture()
        for index in 0..<5 {
            try await fixture.push(index == 0 ? samplePush(nil, tag: "latest") : samplePush(sampleDigest(index)))
            _ = try await fixture.queue.settle(fixture.claimOne(), as: .failed(sampleFailure))
        }
        #expect(try await fixture.queue.redriveOldest(limit: 2).count == 2)
        let claims = try await fixture.claim()
        #expect(claims.map(\.lane) == [.default, .default])
        #expect(claims.map { $0.target?.digest } == [nil, sampleDigest(1)])
        #expect(try await fixture.queue.redriveOldest(limit: 100).count == 3)
        #expect(try await fixture.queue.redriveOldest(limit: 100).isEmpty)
        #expect(try await fixture.records.deadLetterCount() == 0)
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `a revoked target is not redriven`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        _ = try await fixture.queue.settle(claim, as: .failed(sampleFailure))
        try await fixture.pool.execute("UPDATE countersign.target SET state = 'revoked'")
        #expect(try await fixture.queue.redrive(jobs: [claim.jobID]).isEmpty)
        #expect(try await fixture.jobCount() == 0)
    }
}
