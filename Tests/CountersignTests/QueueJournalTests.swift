import FoundationEssentials
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
        let error = await #expect(throws: PostgresError.self) {
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
        #expect(error?.refusal == "23505 evidence_one_live")
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

    @Test func `evidence that cannot be sent again cannot be stored`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        var prepared = samplePrepared()
        prepared.logRequest = []
        let unsendable = prepared
        await #expect(throws: QueueError.self) { try await fixture.journal.prepare(unsendable, for: claim) }
        #expect(try await fixture.number("SELECT count(*) FROM countersign.evidence") == 0)
    }

    @Test func `what the registry serves is adopted whole, or what was stored before stands`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("b")))
        let claims = try await fixture.claim()
        let (found, known) = (claims[0], claims[1])
        var prepared = samplePrepared()
        prepared.logRequest = []
        let adopted = try #require(
            try await fixture.journal.adopt(prepared, sampleLogged(7), attachment: sampleAttachment(), for: found))
        #expect(adopted.prepared == prepared && adopted.logged == sampleLogged(7))
        #expect(adopted.attachment?.digest == sampleAttachment().digest && adopted.attachment?.pushedAt != nil)
        let target = try #require(found.target)
        let stored = try #require(try await fixture.journal.evidence(of: target))
        #expect(stored.id == adopted.id && stored.attachment == adopted.attachment)
        // an answer that was lost: asked again, the same
        let again = try #require(
            try await fixture.journal.adopt(
                prepared, sampleLogged(9), attachment: sampleAttachment("other"), for: found))
        #expect(again.id == adopted.id && again.logged?.logIndex == 7)

        let before = try await fixture.journal.prepare(samplePrepared("before"), for: known)
        let kept = try #require(
            try await fixture.journal.adopt(prepared, sampleLogged(8), attachment: sampleAttachment(), for: known))
        #expect(kept.id == before.id && kept.logged == nil && kept.prepared == samplePrepared("before"))
        #expect(
            try await fixture.text("SELECT string_agg(action || ' ' || subject, ', ') FROM countersign.audit")
                == "artifact.adopt \(target.digest)", "what stood was not adopted")
    }

    @Test func `the work role writes down what it adopts, also a further member of a group`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("b")))
        let (_, pool) = try await fixture.role(.work)
        let journal = Journal(pool: pool)
        var prepared = samplePrepared()
        (prepared.logRequest, prepared.subjects) = ([], 2)
        for claim in try await fixture.claim() {
            let adopted = try await journal.adopt(
                prepared, sampleLogged(7), attachment: sampleAttachment(), for: claim)
            #expect(adopted != nil)
        }
        await pool.close()
        #expect(try await fixture.number("SELECT count(*) FROM countersign.evidence") == 1)
        let acts = try await AuditLog(pool: fixture.pool).latest(10).filter { $0.action == "artifact.adopt" }
        #expect(acts.count == 2)
        #expect(Set(acts.map(\.subject)) == [digest.description, sampleDigest("b").description])
        #expect(
            acts.allSatisfy { $0.actor == "daemon" && $0.detail == "bundle, entry 7 of rekor, a statement about 2" })
        #expect(try await AuditChain(pool: fixture.pool).walk().fault == nil)
    }

    @Test func `an adoption whose entry belongs to other evidence is none, and leaves nothing behind`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest), samplePush(sampleDigest("b")))
        let claims = try await fixture.claim()
        let journal = fixture.journal
        _ = try await journal.adopt(samplePrepared(), sampleLogged(7), attachment: sampleAttachment(), for: claims[0])
        let taken = try await journal.adopt(
            samplePrepared(), sampleLogged(7), attachment: sampleAttachment(), for: claims[1])
        #expect(taken == nil)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.evidence") == 1)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.audit") == 1)
        // the job is held still, and its target is signed anew
        _ = try await journal.prepare(samplePrepared("anew"), for: claims[1])
        try await fixture.expireLeases()
        await #expect(throws: QueueError.self) {
            try await journal.adopt(samplePrepared(), sampleLogged(8), attachment: sampleAttachment(), for: claims[1])
        }
    }

    @Test func `an entry that the log took stays with the evidence that was given up for it`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        let first = try await fixture.journal.prepare(samplePrepared("a"), for: claim)
        try await fixture.journal.abandon(first, reason: "it does not verify", entry: sampleLogged(7), for: claim)
        #expect(
            try await fixture.text(
                """
                SELECT concat_ws(' ', abandon_reason, log_id, log_index, convert_from(log_entry, 'UTF8'), live)
                FROM countersign.evidence e JOIN countersign.evidence_target l ON l.evidence_id = e.id
                """)
                == "it does not verify \(sampleDigest("log").hex) 7 entry f")
        // the same entry, once it does verify, is not shut out by that
        let adopted = try #require(
            try await fixture.journal.adopt(
                samplePrepared("a"), sampleLogged(7), attachment: sampleAttachment(), for: claim))
        #expect(adopted.id != first.id && adopted.logged?.logIndex == 7)
    }

    @Test func `the first time the log did not have an entry is kept, by the database's clock`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(digest))
        let claim = try await fixture.claimOne()
        let evidence = try await fixture.journal.prepare(samplePrepared(), for: claim)
        #expect(evidence.firstMissedAt == nil)
        let first = try await fixture.journal.noteMissing(inLog: evidence, for: claim)
        try await fixture.pool.execute(
            "UPDATE countersign.evidence SET first_missed_at = first_missed_at - interval '5 minutes'")
        let second = try await fixture.journal.noteMissing(inLog: evidence, for: claim)
        #expect(abs(second.timeIntervalSince(first) + 300) < 0.001)
        let target = try #require(claim.target)
        #expect(try await fixture.journal.evidence(of: target)?.firstMissedAt == second)
        #expect(try await fixture.journal.databaseNow() > first)
        try await fixture.expireLeases()
        await #expect(throws: QueueError.self) {
            try await fixture.journal.noteMissing(inLog: evidence, for: claim)
        }
    }

    @Test func `no entry is before the size that its log had shown when the evidence was made`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("app")))
        func see(_ size: Int64, in log: String) async throws {
            try await fixture.pool.execute(
                """
                INSERT INTO countersign.log_checkpoint (log, origin, size, root, note)
                VALUES (\(log)::text, 'tree', \(size), sha256('root'), 'a note')
                """)
        }
        let evidence = try await fixture.journal.prepare(samplePrepared(), for: try await fixture.claimOne())
        #expect(try await fixture.journal.sizeOfLog(evidence.prepared.log, before: evidence) == 0)
        try await see(7, in: evidence.prepared.log)
        try await see(8, in: evidence.prepared.log)
        try await see(900, in: "another")
        #expect(try await fixture.journal.sizeOfLog(evidence.prepared.log, before: evidence) == 0, "seen afterwards")
        try await fixture.pool.execute(
            "UPDATE countersign.log_checkpoint SET seen_at = now() - interval '1 hour' WHERE size <> 8")
        #expect(try await fixture.journal.sizeOfLog(evidence.prepared.log, before: evidence) == 7)
    }
}
