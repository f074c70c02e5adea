import FoundationEssentials
import OpenSSL
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// The rows of a signature's entries in further logs.
@Suite struct FurtherEntryTests {
    private struct Away: Error {}

    private static func prepared(_ logs: String...) -> Evidence.Prepared {
        var prepared = samplePrepared()
        prepared.further = logs.map { .init(log: $0, request: Array($0.utf8)) }
        return prepared
    }

    private static func entry(_ index: Int64) -> TlogEntry {
        TlogEntry(
            logIndex: index, logID: Hash.sha256(Array("log".utf8)), kind: "dsse", version: "0.0.1",
            integratedTime: 1_700_000_000, inclusionPromise: [1], inclusionProof: nil,
            canonicalizedBody: Array("{}".utf8), uuid: nil)
    }

    private static func logged(_ index: Int64) -> Evidence.Logged { Evidence.Logged(entry(index), bundle: nil) }

    @Test func `who takes a group's sending over knows what was answered, and a late answer changes nothing`()
        async throws
    {
        let fixture = try await QueueFixture()
        let journal = fixture.journal
        try await fixture.push(samplePush(sampleDigest("a")), samplePush(sampleDigest("b")))
        let claims = try await fixture.claim()
        var prepared = Self.prepared("one")
        prepared.subjects = 2
        guard case .committed(let evidence) = try await journal.prepare(prepared, for: claims) else {
            throw SupportError("the group was not committed")
        }
        // both found it; the first of them fails at the log of the row
        await #expect(throws: Away.self) {
            try await journal.entry(of: evidence, for: claims[0]) { found in
                #expect(found.prepared.further.map(\.entry) == [nil])
                try await journal.log(Self.logged(1), inFurther: "one", of: found, for: claims[0])
                throw Away()
            }
        }
        await #expect(throws: Away.self) {
            try await journal.entry(of: evidence, for: claims[1]) { found in
                #expect(found.prepared.further.map(\.entry) == [Self.entry(1).encoded()])
                throw Away()
            }
        }
        await #expect(throws: QueueError.self) {
            try await journal.log(Self.logged(2), inFurther: "one", of: evidence, for: claims[1])
        }
        #expect(try await fixture.number("SELECT log_index FROM countersign.further_entry") == 1)
    }

    @Test func `of answers that do not verify those that hold by themselves are kept`() async throws {
        let fixture = try await QueueFixture()
        let journal = fixture.journal
        try await fixture.push(samplePush(sampleDigest("a")))
        let claim = try await fixture.claimOne()
        var evidence = try await journal.prepare(Self.prepared("one", "two", "three"), for: claim)
        // each was missed once, and found by the next look
        for log in ["one", "two", evidence.prepared.log] {
            _ = try await journal.noteMissing(evidence, in: log, for: claim)
        }
        for (index, log) in [(1, "one"), (2, "two")] as [(Int64, String)] {
            try await journal.log(Self.logged(index), inFurther: log, of: evidence, for: claim)
            evidence = evidence.logged(Self.entry(index), inFurther: log)
        }
        let failing = evidence.prepared.furtherLogs { parts, entry in
            #expect(parts.further.isEmpty)
            if entry.logIndex == 2 { throw Away() }
        }
        #expect(failing == ["two"])

        try await journal.forget(answersOf: failing, to: evidence, for: claim)
        let target = try #require(claim.target)
        let stored = try #require(try await journal.evidence(of: target))
        #expect(stored.firstMissedAt == nil)
        #expect(stored.prepared.further.map(\.entry) == [Self.entry(1).encoded(), nil, nil])
        #expect(
            try await fixture.number(
                "SELECT count(*) FROM countersign.further_entry WHERE log = 'two' AND first_missed_at IS NOT NULL") == 0
        )
    }

    @Test(arguments: ["https://two.example", String(repeating: "b", count: 64)])
    func `the entries of a further log are found without a look at all evidence`(log: String) async throws {
        let fixture = try await QueueFixture()
        try await fixture.pool.execute(
            """
            DO $$ DECLARE made bigint; BEGIN
                FOR n IN 1..300 LOOP
                    INSERT INTO countersign.evidence (format, payload, signature, certificate_chain, log, log_request, logged_at,
                        log_entry, log_id, log_index)
                    VALUES ('bundle', '', '', '{}', 'https://one.example', 'r', now(), '', repeat('a', 64), n) RETURNING id INTO made;
                    INSERT INTO countersign.further_entry (evidence_id, log, log_request, logged_at, log_entry, log_id, log_index)
                    VALUES (made, 'https://two.example', 'r', now(), '', repeat('b', 64), n);
                END LOOP;
            END $$
            """)
        var filter = LogEntryRecords.Filter()
        filter.log = log
        let records = LogEntryRecords(pool: fixture.pool)
        var found: [Int64] = []
        var next: Int64?
        repeat {
            let page = try await records.entries(filter, before: next, limit: 7)
            found += page.items.map(\.logIndex)
            next = page.next
        } while next != nil
        #expect(found == (1...300).reversed())
        #expect(try await records.count(filter) == 300)

        let query = LogEntryRecords.page(filter, before: nil, limit: 7)
        let plan = try await fixture.pool.transaction { session in
            _ = try session.execute("SET LOCAL enable_seqscan = off")
            _ = try session.execute("SET LOCAL enable_bitmapscan = off")
            return try session.query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) \(query)")
                .map { try $0.decode(0, as: String.self) }
        }
        #expect(plan.contains { $0.contains("further_entry_by_log") }, "\(plan.joined(separator: "\n"))")
        let passedOver = plan.filter { $0.contains("Rows Removed by Filter: ") }
            .compactMap { Int($0.split(separator: " ").last ?? "") }
        #expect(passedOver.reduce(0, +) < 20, "\(plan.joined(separator: "\n"))")
    }
}
