import OCI
import OpenSSL
import Postgres
import Support
import Testing

@testable import Countersign

/// Batches up to the queue: what is stored, folded, taken back and gone on with.
@Suite struct BatchTests {
    @Test func `a batch enters the queue in steps, and another daemon goes on where one died`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(450))
        #expect(try await fixture.counts(batch) == [.pending: 450])
        // one step, and that daemon is never heard of again
        #expect(try await fixture.feeder().step())
        #expect(try await fixture.counts(batch) == [.queued: BatchFeeder.stepLimit, .pending: 250])
        #expect(try await fixture.database.jobCount() == BatchFeeder.stepLimit)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.queued: 450])
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.job WHERE lane = 2") == 450)
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target") == 450)
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 450])
        #expect(try await fixture.state(batch) == .done)
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test func `a look that finds a signature broken is no success of its batch`() async throws {
        let fixture = try await BatchFixture()
        for number in 0..<2 { try await fixture.database.push(samplePush(sampleDigest("image \(number)"))) }
        try await fixture.signAll()
        let batch = try await fixture.batch(fixture.subjects(2))
        try await fixture.feed()
        let claims = try await fixture.database.claim()
        #expect(claims.count == 2)
        let broken = try #require(claims.compactMap(\.target).first)
        let alerts = Alerts(pool: fixture.database.pool, logger: SigningDaemon.silence)
        try await alerts.raise(Alert(.signatureRejected, about: "\(broken.id)", observed: "a test", fix: "nothing"))
        for claim in claims {
            let outcome: Outcome =
                claim.target == broken ? .broken(sampleFailure) : .signed(sampleRecord(claim.jobID))
            _ = try await fixture.database.queue.settle(claim, as: outcome)
        }
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 1, .failed: 1])
        #expect(try await fixture.database.state(broken.digest) == "signed")
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test func `two daemons that step at once bring nothing in twice`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(600))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<6 { _ = try await fixture.feeder().step() } }
            }
            try await group.waitForAll()
        }
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.queued: 600])
        #expect(
            try await fixture.database.number("SELECT count(*) FROM countersign.target WHERE pushes > 1") == 0)
        #expect(try await fixture.database.jobCount() == 600)
    }

    @Test func `tags of one digest share a target, also across steps`() async throws {
        let fixture = try await BatchFixture()
        var subjects = try (0..<250).map { try fixture.subject("other \($0)") }
        subjects.insert(try fixture.subject("image", tag: "1"), at: 0)
        subjects.insert(try fixture.subject("image", tag: "1.0"), at: 1)
        subjects.append(try fixture.subject("image", tag: "latest"))
        let batch = try await fixture.batch(subjects)
        _ = try await fixture.feeder().step()
        // signed before the last of its tags comes up
        try await fixture.signAll()
        try await fixture.feed()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 253])
        #expect(try await fixture.records.progress(of: batch.id).targets == 251)
        let new = try await fixture.records.members(of: batch.id, limit: 1_000).filter(\.isNew)
        #expect(new.count == 251 && new.contains { $0.tag == "1" })
        #expect(
            try await fixture.database.number(
                "SELECT pushes::bigint FROM countersign.target WHERE digest = \(sampleDigest("image").description)::text"
            )
                == 1)
    }

    @Test func `the same request under the same key is the same batch, another one is refused`() async throws {
        let fixture = try await BatchFixture()
        let subjects = try fixture.subjects(3)
        let storings = try await withThrowingTaskGroup(of: BatchRecords.Storing.self) { group in
            for _ in 0..<6 { group.addTask { try await fixture.store(subjects, key: "k", asked: "a") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let stored = storings.filter { if case .stored = $0 { true } else { false } }
        #expect(stored.count == 1)
        #expect(storings.count { if case .known = $0 { true } else { false } } == 5)
        #expect(try await fixture.store(subjects, key: "k", asked: "b") == .keyReused)
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.batch_member") == 3)
        let actions = try await AuditLog(pool: fixture.database.pool).latest(10).map(\.action)
        #expect(actions.filter { $0.hasPrefix("batch.") } == ["batch.sign"])
    }

    @Test func `the audit log says of a batch what was asked, when its members are long forgotten`() async throws {
        let fixture = try await BatchFixture()
        let subject = BatchSubject(
            repository: try Repository(registry: "registry.example", name: "team/app"), tag: nil,
            digest: sampleDigest("a"))
        let request = BatchRequest(
            subjects: .list([subject]), action: .resign(.remove), formats: [.bundle, .legacy],
            reason: String(repeating: "because ", count: 120))
        let selector = #"{"repository":"registry.example/team/**"}"# + String(repeating: " ", count: 2_000)
        let fingerprint = Hash.sha256(Array("what was asked".utf8))
        _ = try await fixture.records.store(
            [subject], request, selector: selector,
            from: .init(principal: fixture.principal, key: "k", fingerprint: fingerprint))
        let row = try #require(try await AuditLog(pool: fixture.database.pool).latest(1).first)
        #expect(row.action == "batch.resign")
        let detail = try #require(row.detail)
        #expect(
            detail.hasPrefix(
                "1 references, request sha256:\(Hex.encode(fingerprint)), old: remove, formats: bundle legacy; selector: {"
            ))
        #expect(detail.contains("team/**") && detail.contains("; reason: because") && detail.count <= 1_000)
    }

    @Test func `what the policy refuses is told by name, and the others go on`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch([
            fixture.subject("a"), fixture.subject("b", repository: "secret/app"),
        ])
        try await fixture.feed()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 1, .refused: 1])
        let members = try await fixture.records.members(of: batch.id)
        #expect(members.map(\.error?.code) == [nil, "policy.refused"])
        #expect(try await fixture.state(batch) == .done)

        let legacy = try await fixture.batch([fixture.subject("c")], formats: [.legacy])
        try await fixture.feed()
        #expect(try await fixture.records.members(of: legacy.id).map(\.error?.code) == ["policy.format"])
        #expect(try await fixture.database.jobCount() == 0)
    }

    @Test func `a cancelled batch takes back what waits, and signs none twice when it is resumed`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(500))
        _ = try await fixture.feeder().step()
        _ = try await fixture.feeder().step()
        // 100 signed, 50 in hand, 250 wait, 100 never entered
        try await fixture.signAll(limit: 100)
        let held = try await fixture.database.claim(limit: 50)
        #expect(held.count == 50)
        guard case .done = try await fixture.records.cancel(batch.id, by: fixture.principal) else {
            throw SupportError("not cancelled")
        }
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 100, .signing: 50, .cancelled: 350])
        #expect(try await fixture.records.batch(batch.id)?.endedAt == nil)
        for claim in held { _ = try await fixture.database.queue.settle(claim, as: .signed(sampleRecord(claim.jobID))) }
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 150, .cancelled: 350])
        #expect(try await fixture.state(batch) == .cancelled)
        #expect(try await fixture.records.batch(batch.id)?.endedAt != nil)
        #expect(try await fixture.database.jobCount() == 0)

        _ = try await fixture.records.resume(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 150, .queued: 350])
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 500])
        #expect(try await fixture.state(batch) == .done)
        #expect(try await fixture.database.contradictions() == 0)
        #expect(
            try await fixture.database.number(
                "SELECT count(*) FROM countersign.target WHERE generation = 0 AND state = 'signed'") == 500)
    }

    @Test func `a batch that is resumed while it is taken back loses no member`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(450))
        for _ in 0..<3 { _ = try await fixture.feeder().step() }
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        // what a daemon has read when it begins another step
        let cancelled = try #require(try await fixture.records.batch(batch.id))
        #expect(cancelled.state == .cancelled)
        #expect(try await fixture.feeder().takeBack(from: cancelled) == BatchFeeder.stepLimit)
        _ = try await fixture.records.resume(batch.id, by: fixture.principal)
        #expect(try await fixture.feeder().takeBack(from: cancelled) == 0)
        #expect(try await fixture.counts(batch) == [.queued: 250, .pending: 200])
        try await fixture.feed()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 450])
        #expect(try await fixture.state(batch) == .done)
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test func `what a push or another batch waits for is not taken back`() async throws {
        let fixture = try await BatchFixture()
        let shared = try fixture.subject("shared")
        let batch = try await fixture.batch([shared, fixture.subject("pushed"), fixture.subject("own")])
        try await fixture.feed()
        let other = try await fixture.batch([shared])
        try await fixture.feed()
        try await fixture.database.push(samplePush(sampleDigest("pushed")))
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.database.jobCount() == 2)
        #expect(try await fixture.database.state(sampleDigest("own")) == "cancelled")
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(other) == [.signed: 1])
        #expect(try await fixture.counts(batch) == [.signed: 2, .cancelled: 1])
    }

    @Test(arguments: [false, true])
    func `what only cancelled batches want is taken back, whoever of them brought it in`(laterFirst: Bool) async throws
    {
        let fixture = try await BatchFixture()
        let shared = try fixture.subject("shared")
        let first = try await fixture.batch([shared, fixture.subject("own")])
        try await fixture.feed()
        let second = try await fixture.batch([shared])
        try await fixture.feed()
        for batch in laterFirst ? [second, first] : [first, second] {
            _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        }
        try await fixture.feed()
        #expect(try await fixture.database.jobCount() == 0)
        #expect(try await fixture.counts(first) == [.cancelled: 2])
        #expect(try await fixture.counts(second) == [.cancelled: 1])
        // one of them goes on
        _ = try await fixture.records.resume(second.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(second) == [.queued: 1])
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(first) == [.cancelled: 2])
        #expect(try await fixture.counts(second) == [.signed: 1])
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test(arguments: [true, false])
    func `a generation that only cancelled batches want is forgotten`(together: Bool) async throws {
        let fixture = try await BatchFixture()
        let shared = try fixture.subject("shared")
        try await fixture.database.push(samplePush(sampleDigest("shared")))
        try await fixture.signAll()
        let opened = try await fixture.batch([shared], .resign(.keep))
        try await fixture.feed()
        let joined = try await fixture.batch([shared], .resign(.keep))
        try await fixture.feed()
        func generations() async throws -> Int {
            try await fixture.database.number("SELECT count(*) FROM countersign.target WHERE generation > 0")
        }
        #expect(try await generations() == 1)
        _ = try await fixture.records.cancel(opened.id, by: fixture.principal)
        if !together {
            // the other one wants it still
            try await fixture.feed()
            #expect(try await generations() == 1)
            #expect(try await fixture.database.jobCount() == 1)
        }
        _ = try await fixture.records.cancel(joined.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.database.jobCount() == 0)
        #expect(try await fixture.counts(opened) == [.cancelled: 1])
        #expect(try await fixture.counts(joined) == [.cancelled: 1])
        #expect(try await generations() == 0)
        #expect(try await fixture.database.state(sampleDigest("shared")) == "signed")
    }

    @Test func `what failed is tried again, and what is signed is left alone`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(4))
        try await fixture.feed()
        let claims = try await fixture.database.claim()
        for (index, claim) in claims.enumerated() {
            _ = try await fixture.database.queue.settle(
                claim, as: index == 0 ? .failed(sampleFailure) : .signed(sampleRecord(Int64(index))))
        }
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 3, .failed: 1])
        let failed = try await fixture.records.members(of: batch.id, state: .failed)
        #expect(failed.map(\.error) == [sampleFailure])
        _ = try await fixture.records.retryFailed(batch.id, by: fixture.principal)
        #expect(try await fixture.state(batch) == .running)
        try await fixture.feed()
        #expect(try await fixture.database.jobCount() == 1)
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.dead_letter") == 0)
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 4])
        // nothing left to try: it stays done
        _ = try await fixture.records.retryFailed(batch.id, by: fixture.principal)
        #expect(try await fixture.state(batch) == .done)
    }

    @Test func `the account of a batch is not changed by what happens to an artifact later`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch([fixture.subject("a")])
        try await fixture.feed()
        try await fixture.signAll()
        try await fixture.feed()
        try await fixture.database.push(samplePush(sampleDigest("a")))
        _ = try await fixture.database.queue.settle(
            try await fixture.database.claimOne(), as: .gone(sampleFailure))
        try await fixture.feed()
        #expect(try await fixture.database.state(sampleDigest("a")) == "gone")
        #expect(try await fixture.counts(batch) == [.signed: 1])
    }

    @Test func `nothing selected is a batch that is done`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch([])
        try await fixture.feed()
        #expect(try await fixture.state(batch) == .done)
    }
}

/// Campaigns: what is signed gets another generation, once.
@Suite struct CampaignTests {
    private func signed(_ count: Int) async throws -> (BatchFixture, [BatchSubject]) {
        let fixture = try await BatchFixture()
        let subjects = try fixture.subjects(count)
        for subject in subjects { try await fixture.database.push(samplePush(subject.digest)) }
        try await fixture.signAll()
        return (fixture, subjects)
    }

    private func generations(_ fixture: BatchFixture, _ state: String) async throws -> Int {
        try await fixture.database.number(
            "SELECT count(*) FROM countersign.target WHERE generation = 1 AND state = \(state)::text")
    }

    @Test func `a campaign opens one generation for each digest, however many tags and steps`() async throws {
        let (fixture, subjects) = try await signed(3)
        let first = try #require(subjects.first)
        let tagged = BatchSubject(repository: first.repository, tag: "latest", digest: first.digest)
        let fillers = try (0..<BatchFeeder.stepLimit).map { try fixture.subject("unknown \($0)") }
        let batch = try await fixture.batch(subjects + fillers + [tagged], .resign(.keep))
        _ = try await fixture.feeder().step()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await generations(fixture, "signed") == 3)
        #expect(try await fixture.database.number("SELECT max(generation)::bigint FROM countersign.target") == 1)
        #expect(try await fixture.counts(batch) == [.signed: 4, .refused: BatchFeeder.stepLimit])
        let refused = try await fixture.records.members(of: batch.id, state: .refused, limit: 1)
        #expect(refused.map(\.error?.code) == ["artifact.never_signed"])
    }

    @Test func `a cancelled campaign leaves no generation behind of which nothing was signed`() async throws {
        let (fixture, subjects) = try await signed(5)
        let batch = try await fixture.batch(subjects, .resign(.remove))
        try await fixture.feed()
        #expect(try await generations(fixture, "queued") == 5)
        try await fixture.signAll(limit: 2)
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 2, .cancelled: 3])
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target WHERE generation = 1") == 2)
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target_generation") == 2)
        _ = try await fixture.records.resume(batch.id, by: fixture.principal)
        try await fixture.feed()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.signed: 5])
        #expect(try await fixture.database.number("SELECT count(*) FROM countersign.target") == 10)
    }

    @Test func `what is revoked is neither signed by a batch nor by a campaign`() async throws {
        let (fixture, subjects) = try await signed(2)
        let digest = try #require(subjects.first?.digest)
        let revocations = Revocations(queue: fixture.database.queue)
        let request = Revocations.Request(
            repository: try #require(subjects.first?.repository), digest: digest, reason: "a hole",
            principal: fixture.principal)
        #expect(try await revocations.revoke(request, removing: false))
        let campaign = try await fixture.batch(subjects, .resign(.keep))
        let batch = try await fixture.batch(subjects)
        try await fixture.feed()
        try await fixture.signAll()
        try await fixture.feed()
        #expect(try await fixture.counts(campaign) == [.signed: 1, .revoked: 1])
        #expect(try await fixture.counts(batch) == [.signed: 1, .revoked: 1])
        #expect(try await fixture.database.contradictions() == 0)
        #expect(
            try await fixture.database.number(
                "SELECT count(*) FROM countersign.target WHERE digest = \(digest.description)::text") == 1)
    }
}
