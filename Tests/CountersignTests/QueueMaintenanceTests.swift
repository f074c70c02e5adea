import FoundationEssentials
import OCI
import Postgres
import Support
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

    @Test func `what nobody misses is removed although partitions cannot be made`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("app")))
        try await fixture.pool.execute(
            "INSERT INTO countersign.worker (id, host, version, seen_at) VALUES (gen_random_uuid(), 'h', 'v', now() - interval '2 days')"
        )
        try await fixture.pool.execute(
            """
            CREATE OR REPLACE FUNCTION countersign.create_event_partitions(ahead int) RETURNS bigint LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'no'; END $$
            """)
        await #expect(throws: QueueError.self) { try await fixture.queue.maintain() }
        #expect(try await fixture.number("SELECT count(*) FROM countersign.worker") == 0)
    }

    @Test func `rows of before the bounds are mended by the migration that brings them`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("app")))
        for statement in [
            "ALTER TABLE countersign.job DROP CONSTRAINT job_times, DROP CONSTRAINT job_counters",
            "ALTER TABLE countersign.event DROP CONSTRAINT event_received_at",
            "UPDATE countersign.job SET received_at = 'infinity', attempt = 2147483647",
            "UPDATE countersign.event SET received_at = 'infinity'",
        ] { try await fixture.pool.execute(Query(unsafeSQL: statement)) }
        await #expect(throws: QueueError.self) { try await fixture.claim() }
        try await fixture.pool.execute("UPDATE countersign.job SET run_at = '-infinity'")

        let path = "\(packageRoot)/migrations/022_bounds_of_jobs.up.sql"
        let migration = String(decoding: try #require(FileManager.default.contents(atPath: path)), as: UTF8.self)
        try await fixture.pool.transaction { session in
            for statement in migration.split(separator: ";\n") where statement.contains("countersign.") {
                _ = try session.execute(Query(unsafeSQL: String(statement)))
            }
        }
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event_default") == 0)
        #expect(try await fixture.queue.maintain() == 0)
        #expect(try await fixture.claimOne().attempt == 1_000_000_000)
    }
}
