import OCI
import Postgres
import Testing

@testable import Countersign

/// A push of a digest that is known is looked at again by its state; never "duplicate" over an unsigned image.
@Suite struct QueueRepushTests {
    let digest = sampleDigest("app")

    enum Ending: CaseIterable { case refused, gone, failed }

    @Test(arguments: Ending.allCases)
    func `pushing again what ended without a signature queues it under the present policy`(_ ending: Ending)
        async throws
    {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest, policyVersion: "v1"))
        let first = try await fixture.claimOne()
        let outcome: Outcome =
            switch ending {
            case .refused: .refused(sampleFailure)
            case .gone: .gone(sampleFailure)
            case .failed: .failed(sampleFailure)
            }
        let ended = try await fixture.queue.settle(first, as: outcome)
        guard case .ended(let state, _) = ended else {
            Issue.record("\(ended)")
            return
        }
        #expect(state?.rawValue == "\(ending)")
        #expect(try await fixture.state(digest) == "\(ending)")
        #expect(try await fixture.errorCode(digest) == sampleFailure.code)
        #expect(try await fixture.jobCount() == 0)

        let again = try await fixture.push(samplePush(digest, policyVersion: "v2"))
        #expect(again.items.map(\.verdict) == [.known])
        #expect(try await fixture.state(digest) == "queued")
        #expect(try await fixture.errorCode(digest) == nil)
        #expect(try await fixture.text("SELECT policy_version FROM countersign.target") == "v2")
        #expect(try await fixture.number("SELECT count(*) FROM countersign.dead_letter") == 0)
        let second = try await fixture.claimOne()
        #expect(second.attempt == 1 && second.leaseToken != first.leaseToken)
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `pushing again what is cancelled queues it`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        #expect(try await fixture.cancelAll() == [.cancelled])
        #expect(try await fixture.state(digest) == "cancelled")
        #expect(try await fixture.claim().isEmpty)
        try await fixture.push(samplePush(digest))
        #expect(try await fixture.claimOne().target?.digest == digest)
    }

    @Test func `pushing again what is signed makes a re-check and never unsigns it`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        try await fixture.push(samplePush(digest))
        #expect(try await fixture.state(digest) == "signed")
        let repository = try Repository(registry: "registry.example", name: "team/app")
        let before = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(before.recheck && before.signature != nil)

        let claim = try await fixture.claimOne()
        #expect(claim.kind == .sign && claim.isRecheck)
        _ = try await fixture.queue.settle(claim, as: .retry(sampleFailure, after: .seconds(60), counts: false))
        let waiting = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(waiting.state == .signed && waiting.recheck && waiting.lastError == sampleFailure)
        #expect(waiting.signature?.verifiedAt == before.signature?.verifiedAt)

        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        let after = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(!after.recheck && after.lastError == nil && after.signature?.signedAt == before.signature?.signedAt)
        #expect(try #require(after.signature).verifiedAt > (try #require(before.signature)).verifiedAt)
    }

    @Test func `a re-check that finds the image gone says so and keeps the facts of the signature`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord(5)))
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .gone(sampleFailure))
        let repository = try Repository(registry: "registry.example", name: "team/app")
        let status = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(status.state == .gone && status.signature?.logIndex == 5)
    }

    @Test(arguments: [
        ("policy.refused", "signed"), ("policy.signature_material", "refused"), ("registry.unknown", "refused"),
        ("attestation.superseded", "signed"), ("attestation.artifact_refused", "signed"),
        ("attestation.document_gone", "signed"),
    ])
    func `a signed image stays signed only where nothing but policy refuses to sign it today`(
        code: String, state: String
    ) async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        try await fixture.push(samplePush(digest))
        let refusal = Failure(code: code, stage: "authorise", observed: "seen", fix: "do")
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .refused(refusal))
        #expect(try await fixture.state(digest) == state)
        let repository = try Repository(registry: "registry.example", name: "team/app")
        let status = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(status.lastError == refusal && status.signature != nil && !status.recheck)
    }

    enum Aftermath: CaseIterable { case crash, retry, refused, signed }

    @Test(arguments: Aftermath.allCases)
    func `a signature that the registry lost is not called signed until it is back`(_ ending: Aftermath) async throws {
        let fixture = try await QueueFixture()
        let repository = try Repository(registry: "registry.example", name: "team/app")
        try await fixture.push(samplePush(digest))
        let first = try await fixture.claimOne()
        let evidence = try await fixture.journal.log(
            sampleLogged(), attachment: sampleAttachment(),
            of: fixture.journal.prepare(samplePrepared(), for: first), for: first)
        try await fixture.journal.published(evidence, for: first)
        _ = try await fixture.queue.settle(first, as: .signed(sampleRecord()))
        try await fixture.push(samplePush(digest))
        let recheck = try await fixture.claimOne()

        try await fixture.journal.missing(evidence, for: recheck)
        let found = try #require(try await fixture.records.status(of: digest, in: repository))
        #expect(found.state == .signing && found.lastError?.code == "registry.referrer_missing")
        #expect(found.lastError?.observed.contains(sampleAttachment().digest.description) == true)
        #expect(try await fixture.contradictions() == 0)

        switch ending {
        case .crash:
            try await fixture.expireLeases()
            _ = try await fixture.queue.rescue()
            #expect(try await fixture.state(digest) == "waiting")
        case .retry:
            let later = Outcome.retry(sampleFailure, after: .seconds(60), counts: false)
            _ = try await fixture.queue.settle(recheck, as: later)
            #expect(try await fixture.state(digest) == "waiting")
        case .refused:
            let refusal = Failure(code: "policy.refused", stage: "authorise", observed: "seen", fix: "do")
            _ = try await fixture.queue.settle(recheck, as: .refused(refusal))
            #expect(try await fixture.state(digest) == "refused")
        case .signed:
            try await fixture.journal.published(evidence, for: recheck)
            _ = try await fixture.queue.settle(recheck, as: .signed(sampleRecord()))
            #expect(try await fixture.state(digest) == "signed")
            #expect(try await fixture.errorCode(digest) == nil)
            #expect(
                try await fixture.number("SELECT count(*) FROM countersign.attachment WHERE missing_at IS NULL") == 1)
        }
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `pushing again what waits makes it due at once`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let first = try await fixture.claimOne()
        let settled = try await fixture.queue.settle(
            first, as: .retry(sampleFailure, after: .seconds(3_600), counts: true))
        #expect(settled == .postponed)
        #expect(try await fixture.state(digest) == "waiting")
        #expect(try await fixture.claim().isEmpty)
        try await fixture.push(samplePush(digest))
        #expect(try await fixture.state(digest) == "queued")
        let second = try await fixture.claimOne()
        #expect(second.attempt == 2 && second.failures == 1 && second.jobID == first.jobID)
    }

    @Test func `a revoked target stays revoked`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        try await fixture.pool.execute("UPDATE countersign.target SET state = 'revoked'")
        #expect(try await fixture.push(samplePush(digest)).items.map(\.verdict) == [.known])
        #expect(try await fixture.jobCount() == 0)
        #expect(try await fixture.state(digest) == "revoked")
    }

    @Test func `a push during an attempt that finds the image gone is not lost`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let first = try await fixture.claimOne()
        try await fixture.push(samplePush(digest))
        #expect(try await fixture.queue.settle(first, as: .gone(sampleFailure)) == .requeued)
        #expect(try await fixture.state(digest) == "queued")
        let second = try await fixture.claimOne()
        #expect(second.attempt == 1 && second.leaseToken > first.leaseToken)
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `a push during an attempt that signs leads to a re-check`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let first = try await fixture.claimOne()
        try await fixture.push(samplePush(digest))
        #expect(try await fixture.queue.settle(first, as: .signed(sampleRecord())) == .requeued)
        #expect(try await fixture.state(digest) == "signed")
        let second = try await fixture.claimOne()
        _ = try await fixture.queue.settle(second, as: .signed(sampleRecord()))
        #expect(try await fixture.jobCount() == 0)
    }

    @Test func `a push during an attempt that is to be retried makes the retry due at once`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let first = try await fixture.claimOne()
        try await fixture.push(samplePush(digest))
        let settled = try await fixture.queue.settle(
            first, as: .retry(sampleFailure, after: .seconds(3_600), counts: true))
        #expect(settled == .requeued)
        #expect(try await fixture.claimOne().attempt == 2)
    }
}
