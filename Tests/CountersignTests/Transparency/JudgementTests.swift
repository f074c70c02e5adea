import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// When what was found is judged.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct JudgementTests {
    /// A log of many pages. Once the second is asked for, something was found in the first, and the grace is over.
    private struct LongLog: LogFollower {
        static let pages: Int64 = 4
        static let page: Int64 = 256

        let id = "https://long.example"
        let pool: ConnectionPool

        func size() async throws(SigstoreError) -> Int64 { Self.pages * Self.page }

        func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry] {
            if index == Self.page {
                _ = try? await pool.execute(
                    """
                    INSERT INTO countersign.suspected_entry
                        (log, log_id, log_index, signature, identity, issuer, facts, seen_at)
                    VALUES (\(id)::text, repeat('0', 64), 1, 'a', 'somebody', '', '{}', now() - interval '1 hour')
                    """)
            }
            let one = IdentityMonitorTests.PoorLog(length: Self.page)
            var entries: [TlogEntry] = []
            for offset in 0..<limit { entries += try await one.entries(from: index + Int64(offset), limit: 1) }
            return entries
        }
    }

    @Test func `what was found is judged once a poll, and not at each page of a log that is caught up with`()
        async throws
    {
        let line = try await SigningLine()
        let (daemon, log) = (try await line.daemon(), LongLog(pool: line.database.pool))
        let monitor = IdentityMonitorTests.monitor(
            line, daemon, poll: .seconds(3_600), logs: { [IdentityMonitor.Followed(log, chosen: nil)] })
        let run = Task { try await monitor.run() }
        try await eventually("it is read to its end") {
            try await line.database.number(
                "SELECT count(*) FROM countersign.followed_log WHERE next_index = \(LongLog.pages * LongLog.page)") == 1
        }
        run.cancel()
        try await run.value
        #expect(try await line.database.number("SELECT count(*) FROM countersign.suspected_entry") == 1)
        #expect(try await line.alerts.open() == [:])
        // the next poll
        #expect(try await monitor.step(log) == false)
        #expect(try await line.alerts.open() == ["identity.unknown_entry": 1])
    }
}
