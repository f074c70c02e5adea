import OCI
import Postgres
import Testing

@testable import Countersign

@Suite struct QueueJournalTests {
    let digest = sampleDigest("app")

    @Test func `evidence goes through its commit points and is found again as it was stored`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        let target = try #require(claim.target)
        #expect(try await fixture.journal.evidence(of: target) == nil)

        let prepared = try await fixture.journal.prepare(samplePrepared(), for: claim)
        let found = try #require(try await fixture.journal.evidence(of: target))
        #expect(found.id == prepared.id && found.prepared == samplePrepared() && found.logged == nil)

        let logged = try await fixture.journal.log(
            sampleLogged(), attachment: sampleAttachment(), of: prepared, for: claim)
        #expect(logged.logged == sampleLogged() && logged.attachment == sampleAttachment())

        try await fixture.journal.published(logged, for: claim)
        _ = try await fixture.queue.settle(claim, as: .signed(sampleRecord()))
        let done = try #require(try await fixture.journal.evidence(of: target)?.attachment)
        #expect(done.pushedAt != nil && done.verifiedAt != nil)
    }

    @Test func `preparing twice leaves one live evidence, and both are told which`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        let first = try await fixture.journal.prepare(samplePrepared("a"), for: claim)
        let second = try await fixture.journal.prepare(samplePrepared("b"), for: claim)
        #expect(second.id == first.id && second.prepared == samplePrepared("a"))
        #expect(try await fixture.number("SELECT count(*) FROM countersign.evidence") == 1)
    }

    @Test func `two live signatures of one target cannot be stored whatever the code does`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let evidence = try await fixture.journal.prepare(samplePrepared(), for: fixture.claimOne())
        await #expect(throws: (any Error).self) {
            try await fixture.pool.execute(
                """
                WITH twin AS (
                    INSERT INTO countersign.evidence (format, payload, signature, certificate_chain, log, log_request)
                    SELECT format, payload, signature, certificate_chain, log, log_request
                    FROM countersign.evidence WHERE id = \(evidence.id) RETURNING id)
                INSERT INTO countersign.evidence_target (evidence_id, target_id, format)
                SELECT twin.id, e.target_id, e.format FROM twin, countersign.evidence_target e
                """)
        }
    }

    @Test func `an attempt that lost its lease can write nothing`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let zombie = try await fixture.claimOne()
        let evidence = try await fixture.journal.prepare(samplePrepared(), for: zombie)
        // expired, though nobody took it over yet
        try await fixture.expireLeases()
        await #expect(throws: QueueError.self) {
            try await fixture.journal.log(sampleLogged(), attachment: sampleAttachment(), of: evidence, for: zombie)
        }
        _ = try await fixture.queue.rescue()
        try await fixture.makeDue()
        let heir = try await fixture.claimOne()
        let journal = fixture.journal
        await #expect(throws: QueueError.self) { try await journal.prepare(samplePrepared("z"), for: zombie) }
        await #expect(throws: QueueError.self) { try await journal.published(evidence, for: zombie) }
        await #expect(throws: QueueError.self) { try await journal.abandon(evidence, reason: "no", for: zombie) }
        // the heir goes on with the bytes that its predecessor may have sent
        let inherited = try await journal.prepare(samplePrepared("heir"), for: heir)
        #expect(inherited.id == evidence.id && inherited.prepared.logRequest == samplePrepared().logRequest)
    }

    @Test func `what the log answered first stands`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        let evidence = try await fixture.journal.prepare(samplePrepared(), for: claim)
        let journal = fixture.journal
        _ = try await journal.log(sampleLogged(7), attachment: sampleAttachment("one"), of: evidence, for: claim)
        let again = try await journal.log(
            sampleLogged(8), attachment: sampleAttachment("two"), of: evidence, for: claim)
        #expect(again.logged?.logIndex == 7 && again.attachment == sampleAttachment("one"))
    }

    @Test func `abandoned evidence is kept with its reason and makes room for one more`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        let first = try await fixture.journal.prepare(samplePrepared("a"), for: claim)
        try await fixture.journal.abandon(first, reason: "certificate expired", for: claim)
        await #expect(throws: QueueError.self) { try await fixture.journal.abandon(first, reason: "x", for: claim) }
        let second = try await fixture.journal.prepare(samplePrepared("b"), for: claim)
        #expect(second.id != first.id)
        #expect(
            try await fixture.text("SELECT abandon_reason FROM countersign.evidence WHERE abandoned_at IS NOT NULL")
                == "certificate expired")
        await #expect(throws: QueueError.self) {
            try await fixture.journal.log(sampleLogged(), attachment: sampleAttachment(), of: first, for: claim)
        }
    }
}
