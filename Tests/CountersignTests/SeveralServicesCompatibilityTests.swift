import Postgres
import Testing

@testable import Countersign

/// A daemon that does not know of several timestamps and log entries is at work beside one that makes them (migration 26).
@Suite struct SeveralServicesCompatibilityTests {
    /// What the version before sends for the log's answer, for a target of its own and for a group.
    private static func formerAnswers(_ id: Int64) -> [Query] {
        let logged = sampleLogged()
        return [
            """
            UPDATE countersign.evidence
            SET logged_at = now(), log_entry = \(logged.entry), log_id = \(logged.logID)::text, log_index = \(logged.logIndex)
            WHERE id = \(id) AND logged_at IS NULL AND abandoned_at IS NULL
            RETURNING id
            """,
            """
            UPDATE countersign.evidence
            SET logged_at = coalesce(logged_at, now()), log_entry = \(logged.entry), log_id = \(logged.logID)::text,
                log_index = \(logged.logIndex), sender = NULL, sender_until = NULL
            WHERE id = \(id) AND abandoned_at IS NULL AND (logged_at IS NULL OR bundle = \(logged.bundle))
            RETURNING id
            """,
        ]
    }

    @Test(arguments: [(stamps: 1, logs: 2), (2, 1)])
    func `what has several is not logged by the version before, and is by this one`(stamps: Int, logs: Int) async throws
    {
        let fixture = try await QueueFixture()
        let (_, pool) = try await fixture.role(.work)
        let journal = Journal(pool: pool)
        try await fixture.push(samplePush(sampleDigest("app")))
        let claim = try await fixture.claimOne()
        var prepared = samplePrepared()
        prepared.timestamps = (0..<stamps).map { [UInt8($0)] }
        prepared.further = (1..<logs).map { .init(log: "log \($0)", request: [1]) }
        let evidence = try await journal.prepare(prepared, for: claim)
        for answer in Self.formerAnswers(evidence.id) {
            let refusal = await #expect(throws: PostgresError.self) { try await pool.query(answer) }
            guard case .server(let report)? = refusal else {
                Issue.record("not refused by the server: \(String(describing: refusal))")
                continue
            }
            #expect(report.sqlState == "55000" && report.message.contains("migration 26"))
        }
        let stored = try await journal.log(
            sampleLogged(), attachment: sampleAttachment(), of: evidence, for: claim)
        #expect(stored.logged == sampleLogged())
        await pool.close()
    }

    @Test func `what has one of each is logged by either, and what has several is put aside by either`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("a")), samplePush(sampleDigest("b")))
        let claims = try await fixture.claim()
        var prepared = samplePrepared()
        prepared.timestamps = [[9]]
        let one = try await fixture.journal.prepare(prepared, for: claims[0])
        #expect(try await fixture.pool.query(Self.formerAnswers(one.id)[0]).count == 1)
        let several = try await fixture.journal.prepare(samplePrepared("b"), for: claims[1])
        let logged = sampleLogged(8)
        let aside = try await fixture.pool.query(
            """
            UPDATE countersign.evidence SET abandoned_at = now(), abandon_reason = 'it does not verify', logged_at = now(),
                log_entry = \(logged.entry), log_id = \(logged.logID)::text, log_index = \(logged.logIndex)
            WHERE id = \(several.id) RETURNING id
            """)
        #expect(aside.count == 1)
    }
}
