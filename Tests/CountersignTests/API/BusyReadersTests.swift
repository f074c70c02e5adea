import Curl
import Postgres
import Support
import Testing

@testable import Countersign

/// Readers share the API's connections with nobody: what depends on the database otherwise goes on.
@Suite struct BusyReadersTests {
    @Test func `readers that hold every connection of the API change neither readiness nor intake nor the figures`()
        async throws
    {
        try await DoorsFixture.withDoors(readers: 4) { (doors) async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { _ = try? await doors.apiPool.query("SELECT pg_sleep(4)") }
                }
                try await eventually("all connections of the API are in use") {
                    try await doors.queue.number(
                        """
                        SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep%'
                        """) == 4
                }
                await #expect(throws: PostgresError.self) { _ = try await doors.apiPool.query("SELECT 1") }
                #expect(try await doors.get("/readyz", .operations).status == 200)
                #expect(try await doors.deliver(envelope(notification())).status == 202)
                let metrics = String(decoding: try await doors.get("/metrics", .operations).body, as: UTF8.self)
                #expect(metrics.contains("countersign_database_up 1"))
                #expect(metrics.contains(#"countersign_queue_jobs{lane="live",state="queued"} 1"#))
                #expect(metrics.contains("countersign_batches_failing 0"))
                await doors.apiPool.close()
                try await group.waitForAll()
            }
        }
    }
}
