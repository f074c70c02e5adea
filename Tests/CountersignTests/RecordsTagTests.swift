import OCI
import Postgres
import Testing

@testable import Countersign

/// A tag is never answered with what it pointed at before it was pushed again.
@Suite struct RecordsTagTests {
    let old = sampleDigest("old")
    let new = sampleDigest("new")

    /// `latest` was pushed at `old`, and `old` is signed.
    private func signedOnce() async throws -> QueueFixture {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(old, tag: "latest"))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        #expect(try await status(fixture)?.state == .signed)
        return fixture
    }

    private func status(_ fixture: QueueFixture, _ tag: String = "latest") async throws -> ArtifactStatus? {
        try await fixture.records.status(
            ofTag: tag, in: Repository(registry: "registry.example", name: "team/app"))
    }

    private func refused(_ digest: Digest?, tag: String = "latest", reason: String = "not allowed") -> EnqueueRequest {
        var request = samplePush(digest, tag: tag)
        request.verdict = .refused(reason: reason)
        return request
    }

    private func resolution(_ digest: Digest) -> Outcome {
        var request = samplePush(digest, tag: "latest")
        request.delivery = nil
        return .resolved([request])
    }

    @Test func `a refused push moves its tag`() async throws {
        let fixture = try await signedOnce()
        try await fixture.push(refused(new))
        let status = try #require(try await status(fixture))
        #expect(status.state == .refused && status.digest == new && status.tag?.resolvedAt != nil)
        try await fixture.push(refused(nil, reason: "untagged"))
        let unknown = try #require(try await self.status(fixture))
        #expect(unknown.state == .refused && unknown.digest == nil && unknown.tag?.resolvedAt == nil)
        #expect(unknown.lastError?.observed == "untagged")
    }

    @Test func `what does not speak for a tag does not move it, nor does a name that only looks like it`() async throws
    {
        let fixture = try await signedOnce()
        var byHand = samplePush(new, tag: "latest")
        byHand.speaksForTag = false
        var foreign = refused(new)
        foreign.speaksForTag = false
        try await fixture.push(
            byHand, foreign, refused(new, tag: "latest\u{0}"),
            refused(new, tag: String(repeating: "x", count: 200)))
        #expect(try await status(fixture)?.digest == old)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.tag_history") == 1)
    }

    @Test func `a tag that waits to be resolved says so until it is`() async throws {
        let fixture = try await signedOnce()
        try await fixture.push(samplePush(nil, tag: "latest"))
        let queued = try #require(try await status(fixture))
        #expect(queued.state == .queued && queued.digest == nil && queued.signature == nil)
        #expect(queued.tag?.name == "latest" && queued.tag?.resolvedAt == nil && queued.nextAttemptAt != nil)
        let claim = try await fixture.claimOne()
        #expect(try await status(fixture)?.state == .signing)
        _ = try await fixture.queue.settle(claim, as: .retry(sampleFailure, after: .seconds(60), counts: true))
        let waiting = try #require(try await status(fixture))
        #expect(waiting.state == .waiting && waiting.lastError == sampleFailure && waiting.attempts == 1)
        try await fixture.makeDue()
        _ = try await fixture.queue.settle(fixture.claimOne(), as: resolution(new))
        let resolved = try #require(try await status(fixture))
        #expect(resolved.state == .queued && resolved.digest == new && resolved.tag?.resolvedAt != nil)
    }

    @Test func `a tag that could not be resolved failed, and one that was cancelled is cancelled`() async throws {
        let fixture = try await signedOnce()
        try await fixture.push(samplePush(nil, tag: "latest"))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .gone(sampleFailure))
        let failed = try #require(try await status(fixture))
        #expect(failed.state == .failed && failed.digest == nil && failed.lastError == sampleFailure)
        try await fixture.push(samplePush(nil, tag: "latest"))
        #expect(try await fixture.cancelAll() == [.cancelled])
        #expect(try await status(fixture)?.state == .cancelled)
        try await fixture.push(samplePush(old, tag: "latest"))
        #expect(try await status(fixture)?.state == .signed)
    }

    @Test func `a tag that could not be resolved stays failed until something else is known of it`() async throws {
        let fixture = try await signedOnce()
        try await fixture.push(samplePush(nil, tag: "latest"))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .gone(sampleFailure))
        // somebody has one digest signed by hand, and says what tag it is of
        var byHand = samplePush(new, tag: "latest", key: [2])
        byHand.speaksForTag = false
        try await fixture.push(byHand)
        #expect(try await status(fixture)?.lastError == sampleFailure)
        // nor does its letter go with those of artifacts, which show how they ended
        try await fixture.pool.execute("UPDATE countersign.dead_letter SET buried_at = now() - interval '91 days'")
        #expect(try await fixture.maintenance().removeOld()[.deadLetters] == 0)
        #expect(try await status(fixture)?.state == .failed)
        try await fixture.push(samplePush(nil, tag: "latest", key: [3]))
        #expect(try await fixture.records.deadLetters().items.isEmpty)
    }

    @Test func `an answer that is older than the last push moves nothing`() async throws {
        let fixture = try await signedOnce()
        try await fixture.push(samplePush(nil, tag: "latest"))
        let slow = try await fixture.claimOne()
        // asked before this push, answered after it
        try await fixture.push(samplePush(new, tag: "latest"))
        _ = try await fixture.queue.settle(slow, as: resolution(old))
        #expect(try await status(fixture)?.digest == new)
    }

    @Test func `while a later push of the tag waits, an earlier one's answer does not stand for it`() async throws {
        let fixture = try await signedOnce()
        try await fixture.push(samplePush(nil, tag: "latest"))
        let first = try await fixture.claimOne()
        try await fixture.push(samplePush(nil, tag: "latest"))
        _ = try await fixture.queue.settle(first, as: resolution(old))
        #expect(try await status(fixture)?.digest == nil)
        let second = try #require(try await fixture.claim().first { $0.kind == .resolve })
        _ = try await fixture.queue.settle(second, as: .gone(sampleFailure))
        #expect(try await status(fixture)?.state == .failed)
        #expect(try await status(fixture, "never") == nil)
    }
}
