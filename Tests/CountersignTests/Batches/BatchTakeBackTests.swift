import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// What a cancelled batch must leave alone: work that was there before it, what is published, and what is wanted meanwhile.
@Suite struct BatchTakeBackTests {
    @Test func `what a sweep had found before the batch is not taken back`() async throws {
        let fixture = try await BatchFixture()
        let sweeps = ["missed", "also missed"].map {
            samplePush(sampleDigest($0), lane: .bulk, key: Array("sweep \($0)".utf8))
        }
        _ = try await fixture.database.queue.enqueue(sweeps)
        let joined = try await fixture.batch([fixture.subject("missed"), fixture.subject("own")])
        try await fixture.feed()
        let again = try await fixture.batch([fixture.subject("missed")])
        try await fixture.feed()
        for batch in [joined, again] { _ = try await fixture.records.cancel(batch.id, by: fixture.principal) }
        try await fixture.feed()
        #expect(try await fixture.counts(joined) == [.queued: 1, .cancelled: 1])
        #expect(try await fixture.counts(again) == [.queued: 1])
        let claims = try await fixture.database.claim()
        #expect(Set(claims.map(\.deliveryKey)) == Set(sweeps.map(\.deliveryKey)))
        for claim in claims {
            _ = try await fixture.database.queue.settle(claim, as: .signed(sampleRecord(claim.jobID)))
        }
        try await fixture.feed()
        #expect(try await fixture.counts(joined) == [.signed: 1, .cancelled: 1])
        #expect(try await fixture.counts(again) == [.signed: 1])
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test func `what a sweep or an index wants since is not taken back either`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch([fixture.subject("swept"), fixture.subject("child")])
        try await fixture.feed()
        try await fixture.database.push(samplePush(sampleDigest("swept"), lane: .bulk))
        // of a re-check, which comes from no delivery
        var child = samplePush(sampleDigest("child"), lane: .bulk)
        (child.delivery, child.deliveryKey) = (nil, nil)
        try await fixture.database.push(child)
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.queued: 2])
        #expect(try await fixture.database.jobCount() == 2)
    }

    /// An image with its signature in the registry.
    @discardableResult
    private func published(_ seed: String, _ fixture: BatchFixture) async throws -> Evidence {
        let journal = fixture.database.journal
        try await fixture.database.push(samplePush(sampleDigest(seed)))
        let claim = try await fixture.database.claimOne()
        let evidence = try await journal.log(
            sampleLogged(), attachment: sampleAttachment(), of: try await journal.prepare(samplePrepared(), for: claim),
            for: claim)
        try await journal.published(evidence, for: claim)
        _ = try await fixture.database.queue.settle(claim, as: .signed(sampleRecord()))
        return evidence
    }

    /// Queues what is there as a re-check does.
    private func recheck(_ fixture: BatchFixture) async throws {
        try await fixture.database.pool.execute(
            """
            INSERT INTO countersign.job (kind, target_id, repository_id, lane)
            SELECT 'sign', id, repository_id, 2 FROM countersign.target
            """)
    }

    @Test(arguments: [Outcome.gone(sampleFailure), .failed(sampleFailure)])
    func `what had ended before the batch is taken back, although its signature is published`(_ end: Outcome)
        async throws
    {
        let fixture = try await BatchFixture()
        try await published("image", fixture)
        try await recheck(fixture)
        _ = try await fixture.database.queue.settle(try await fixture.database.claimOne(), as: end)
        let batch = try await fixture.batch([fixture.subject("image")])
        try await fixture.feed()
        // an attempt that came to nothing has begun nothing either
        _ = try await fixture.database.queue.settle(
            try await fixture.database.claimOne(), as: .retry(sampleFailure, after: .seconds(60), counts: true))
        #expect(try await fixture.counts(batch) == [.waiting: 1])
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.cancelled: 1])
        #expect(try await fixture.database.jobCount() == 0)
        #expect(try await fixture.database.contradictions() == 0)
    }

    enum Begun: CaseIterable { case prepared, logged, published }

    @Test(arguments: Begun.allCases)
    func `what a worker has begun for the batch ends by itself`(_ begun: Begun) async throws {
        let fixture = try await BatchFixture()
        let journal = fixture.database.journal
        let batch = try await fixture.batch([fixture.subject("image")])
        try await fixture.feed()
        let claim = try await fixture.database.claimOne()
        let prepared = try await journal.prepare(samplePrepared(), for: claim)
        if begun != .prepared {
            let logged = try await journal.log(
                sampleLogged(), attachment: sampleAttachment(), of: prepared, for: claim)
            if begun == .published { try await journal.published(logged, for: claim) }
        }
        _ = try await fixture.database.queue.settle(
            claim, as: .retry(sampleFailure, after: .seconds(60), counts: true))
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.waiting: 1])
        #expect(try await fixture.database.jobCount() == 1)
    }

    @Test func `a member of a group is not taken back because another one is published`() async throws {
        let fixture = try await BatchFixture()
        let evidence = try await published("other", fixture)
        let batch = try await fixture.batch([fixture.subject("image")])
        try await fixture.feed()
        try await fixture.database.pool.execute(
            """
            INSERT INTO countersign.evidence_target (evidence_id, target_id, format)
            SELECT \(evidence.id), id, 'bundle' FROM countersign.target WHERE state = 'queued'
            """)
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.queued: 1])
        #expect(try await fixture.database.jobCount() == 1)
    }

    /// - Parameter isJoined: whether a re-check found that it is missing before the batch came, or the batch's own look did.
    @Test(arguments: [true, false])
    func `a signature that is being put back outlives a batch that is cancelled`(isJoined: Bool) async throws {
        let fixture = try await BatchFixture()
        let subject = try fixture.subject("image")
        let evidence = try await published("image", fixture)
        let early: Batch? = if isJoined { nil } else { try await fixture.batch([subject]) }
        if isJoined { try await recheck(fixture) } else { try await fixture.feed() }
        let look = try await fixture.database.claimOne()
        try await fixture.database.journal.missing(evidence, for: look)
        _ = try await fixture.database.queue.settle(
            look, as: .retry(sampleFailure, after: .seconds(60), counts: true))
        #expect(try await fixture.database.state(sampleDigest("image")) == "waiting")

        let batch = if let early { early } else { try await fixture.batch([subject]) }
        try await fixture.feed()
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.database.jobCount() == 1)
        #expect(try await fixture.database.contradictions() == 0)
        try await fixture.database.makeDue()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.database.state(sampleDigest("image")) == "signed")
        #expect(try await fixture.counts(batch) == [.signed: 1])
    }

    enum Forgetter: CaseIterable { case batch, canceller }

    /// A campaign that was cancelled before anything was signed for the one generation that it opened, and that has to be
    /// forgotten yet: another daemon's step did the rest.
    private func cancelledCampaign(about push: EnqueueRequest, _ fixture: BatchFixture) async throws -> Batch {
        try await fixture.database.push(push)
        try await fixture.signAll()
        let batch = try await fixture.batch([fixture.subject("image")], .resign(.keep))
        try await fixture.feed()
        let statements: [Query] = [
            "DELETE FROM countersign.job", "UPDATE countersign.batch SET state = 'cancelled'",
            "UPDATE countersign.target SET state = 'cancelled' WHERE generation = 1",
            "UPDATE countersign.batch_member SET result = 'cancelled', ended_at = now()",
        ]
        for statement in statements { try await fixture.database.pool.execute(statement) }
        return batch
    }

    @Test(arguments: Forgetter.allCases)
    func `a push that comes while a generation is forgotten is about the one before`(_ forgetter: Forgetter)
        async throws
    {
        let fixture = try await BatchFixture()
        let (pool, push) = (fixture.database.pool, samplePush(sampleDigest("image")))
        let batch = try await cancelledCampaign(about: push, fixture)
        let opened = try await fixture.database.number("SELECT id FROM countersign.target WHERE generation = 1")
        let hold = TransactionHold()
        let forgetting = Task {
            try await pool.transaction { session in
                switch forgetter {
                case .batch: try BatchFeeder.forgetGenerations(of: batch, [batch.id], session)
                case .canceller: try JobQueue.forgetGenerations(of: [Int64(opened)], in: session)
                }
                try hold.wait(in: session)
            }
        }
        try await eventually("the generation is deleted") { hold.isReached }
        let pushing = Task { try await fixture.database.push(push) }
        try await eventually("the push waits") { try await fixture.database.waitingForLocks() == 1 }
        hold.release()
        try await forgetting.value
        _ = try await pushing.value
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target") == 1)
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target_generation") == 0)
        let claim = try await fixture.database.claimOne()
        #expect(claim.target?.generation == 0 && claim.isRecheck)
    }

    @Test func `a generation that a push takes up is not forgotten`() async throws {
        let fixture = try await BatchFixture()
        let (pool, push) = (fixture.database.pool, samplePush(sampleDigest("image")))
        let batch = try await cancelledCampaign(about: push, fixture)
        let hold = TransactionHold()
        let pushing = Task {
            try await pool.transaction { session in
                _ = try JobQueue.store([push], in: session)
                try hold.wait(in: session)
            }
        }
        try await eventually("the push is stored") { hold.isReached }
        let forgetting = Task {
            try await pool.transaction { session in
                try BatchFeeder.forgetGenerations(of: batch, [batch.id], session)
            }
        }
        try await eventually("the batch waits") { try await fixture.database.waitingForLocks() == 1 }
        hold.release()
        try await pushing.value
        try await forgetting.value
        #expect(try await fixture.database.claimOne().target?.generation == 1)
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target_generation") == 1)
    }
}
