import OCI
import Postgres
import Testing

@testable import Countersign

@Suite struct QueueMaintenanceTests {
    @Test func `partitions are made ahead and a push lands in one`() async throws {
        let fixture = try await QueueFixture()
        let partitions: Query = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'countersign.event'::regclass"
        #expect(try await fixture.number(partitions) == 9)  // today, seven days ahead, default
        #expect(try await fixture.queue.maintain() == 0)
        #expect(try await fixture.number(partitions) == 9)
        try await fixture.push(samplePush(sampleDigest("app")))
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event_default") == 0)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 1)
    }

    @Test func `events without a partition are moved into one and reported`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.pool.execute(
            """
            INSERT INTO countersign.event (received_at, source, delivery_key, registry, repository, verdict, reason, body)
            SELECT now() + interval '30 days', 'demo', '\\x01', 'r', 'a', 'filtered', 'pull', '\\x' FROM generate_series(1, 3)
            """)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event_default") == 3)
        #expect(try await fixture.queue.maintain() == 3)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event_default") == 0)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 3)
    }

    @Test func `old days are dropped whole`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.pool.execute(
            """
            INSERT INTO countersign.event (received_at, source, delivery_key, registry, repository, verdict, reason, body)
            VALUES (now() - interval '20 days', 'demo', '\\x01', 'r', 'a', 'filtered', 'pull', '\\x')
            """)
        try await fixture.queue.maintain()
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 0)
    }

    @Test func `dead letters are kept for 90 days`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("old")), samplePush(sampleDigest("new")))
        let claims = try await fixture.claim()
        for claim in claims { _ = try await fixture.queue.settle(claim, as: .failed(sampleFailure)) }
        for (claim, days) in zip(claims, [91, 89]) {
            try await fixture.pool.execute(
                """
                UPDATE countersign.dead_letter SET buried_at = now() - \(Int32(days))::int * interval '1 day'
                WHERE job_id = \(claim.jobID)
                """)
        }
        try await fixture.queue.maintain()
        #expect(try await fixture.records.deadLetters().items.map(\.jobID) == [claims[1].jobID])
        #expect(try await fixture.state(sampleDigest("old")) == "failed")
    }
}
