import Logging
import Postgres
import Sigstore
import Support
import Synchronization
import Testing

@testable import Countersign

/// Logs that the instance replaced, and of which not everything can be read.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SilentShardTests {
    private static let (old, new) = ("https://2026.example", "https://2027.example")

    /// A log that was read to its end while it was in use, and one that takes its place while nobody looks.
    private struct Rotation {
        let line: SigningLine
        let daemon: SigningDaemon
        let shards = Shards()

        init() async throws {
            line = try await SigningLine()
            daemon = try await line.daemon()
            shards.sizes.withLock { $0 = [old: 3, new: 2] }
            shards.use(old)
            try await running {
                try await eventually("it is followed") { try await holds("true") }
                shards.sizes.withLock { $0[old] = 4 }
                try await eventually("it is read to its end") { try await holds("next_index = 4") }
            }
            shards.use(new)
        }

        /// - Parameter fault: what keeps this daemon from reading the log that was replaced.
        func running(
            fault: SigstoreError? = nil, logger: Logger = SigningDaemon.silence, _ body: () async throws -> Void
        ) async throws {
            let monitor = IdentityMonitorTests.monitor(
                line, daemon, start: .now, queue: line.database.anotherQueue(), logs: { [shards] in shards.followed },
                replaced: { [shards] id, _ in shards.shard(id, fault: fault) }, logger: logger)
            let run = Task { try await monitor.run() }
            try await body()
            run.cancel()
            try await run.value
            // its turns are over
            try await line.database.pool.execute("UPDATE countersign.turn SET expires_at = now()")
        }

        /// Whether the row of the log that was replaced is so.
        func holds(_ condition: StaticString) async throws -> Bool {
            try await line.database.number(
                """
                SELECT count(*) FROM countersign.followed_log
                WHERE log = \(old)::text AND api_version IS NOT NULL AND (\(unescaped: condition))
                """) == 1
        }

        func aDayGoesBy() async throws {
            try await line.database.pool.execute(
                "UPDATE countersign.followed_log SET unanswered_since = unanswered_since - interval '1 day'")
        }
    }

    @Test func `a shard that went away when it was replaced may hold what nobody read: it is told, and asked on`()
        async throws
    {
        let rotation = try await Rotation()
        let (shards, alerts) = (rotation.shards, rotation.line.alerts)
        shards.sizes.withLock { $0[Self.old] = nil }
        try await rotation.running {
            try await eventually("it is silent") { try await rotation.holds("unanswered_since IS NOT NULL") }
            try await shards.looks(15, at: Self.old)
            #expect(try await alerts.open() == [:])
            try await rotation.aDayGoesBy()
            try await eventually("it is told") { try await alerts.open() == ["log.unread": 1] }
            try await shards.looks(3, at: Self.old)
            #expect(try await rotation.holds("NOT at_end"))

            // it comes back, with what a thief entered
            shards.sizes.withLock { $0[Self.old] = 6 }
            try await eventually("it is read") { try await rotation.holds("next_index = 6 AND at_end") }
            #expect(try await alerts.alerts().items.map(\.state) == [.ended])
        }
    }

    @Test func `a shard that shows more entries and withholds them is not let go`() async throws {
        let rotation = try await Rotation()
        let (shards, alerts) = (rotation.shards, rotation.line.alerts)
        try await rotation.running {
            try await eventually("it is at its end") { try await rotation.holds("at_end") }
            shards.withheld.withLock { _ = $0.insert(Self.old) }
            shards.sizes.withLock { $0[Self.old] = 8 }
            try await eventually("it is known to have more") {
                try await rotation.holds("NOT at_end AND known_size = 8 AND unanswered_since IS NOT NULL")
            }
            // a replica that is behind does not take it back
            shards.sizes.withLock { $0[Self.old] = 4 }
            try await shards.looks(5, at: Self.old)
            #expect(try await rotation.holds("NOT at_end AND unanswered_since IS NOT NULL"))
            shards.sizes.withLock { $0[Self.old] = nil }
            try await shards.looks(3, at: Self.old)
            try await rotation.aDayGoesBy()
            try await eventually("it is told") { try await alerts.open() == ["log.unread": 1] }
            try await shards.looks(3, at: Self.old)
            #expect(try await rotation.holds("NOT at_end"))
        }
        let facts = try #require(try await alerts.alerts(state: .open).items.first).facts
        #expect(facts["log"] == Self.old && facts["next_index"] == "4" && facts["known_size"] == "8")
    }

    @Test func `a shard that was read to its end is let go after a day without an answer, and the log says so`()
        async throws
    {
        let rotation = try await Rotation()
        let (shards, lines) = (rotation.shards, KeptLines())
        try await rotation.running(logger: lines.logger) {
            try await eventually("it is at its end") { try await rotation.holds("at_end") }
            shards.sizes.withLock { $0[Self.old] = nil }
            try await eventually("it is silent") { try await rotation.holds("unanswered_since IS NOT NULL") }
            try await shards.looks(15, at: Self.old)
            #expect(try await rotation.holds("at_end"))
            // one answer, and the day begins anew
            try await rotation.aDayGoesBy()
            shards.sizes.withLock { $0[Self.old] = 4 }
            try await eventually("it answered") { try await rotation.holds("unanswered_since IS NULL") }
            shards.sizes.withLock { $0[Self.old] = nil }
            try await eventually("it is silent") { try await rotation.holds("unanswered_since IS NOT NULL") }
            try await rotation.aDayGoesBy()
            try await eventually("it is let go") { try await !rotation.holds("true") }
            try await eventually("it is told") {
                lines.kept.withLock { $0 }.map(\.text).contains {
                    $0.contains("is not followed any more") && $0.contains(Self.old)
                }
            }
        }
        #expect(try await rotation.line.alerts.alerts().items.isEmpty)
    }

    @Test(
        arguments: [
            .misconfigured(.rekor, detail: "a certificate by an authority that we do not know"),
            .badAnswer(.rekor, detail: "no log of the trusted root signed it", answerMayBeLost: false),
            .unwitnessed(have: 0, need: 1),
        ] as [SigstoreError])
    func `a fault of our own is not the log's silence`(_ fault: SigstoreError) async throws {
        let rotation = try await Rotation()
        try await rotation.running {
            try await eventually("it is at its end") { try await rotation.holds("at_end") }
        }
        try await rotation.running(fault: fault) { try await rotation.shards.looks(15, at: Self.old) }
        #expect(try await rotation.holds("at_end AND unanswered_since IS NULL"))
    }

    @Test func `where no log answers, none is silent`() async throws {
        let rotation = try await Rotation()
        try await rotation.running {
            try await eventually("it is at its end") { try await rotation.holds("at_end") }
        }
        rotation.shards.sizes.withLock { $0 = [:] }
        try await rotation.running { try await rotation.shards.looks(15, at: Self.old) }
        #expect(try await rotation.holds("at_end AND unanswered_since IS NULL"))
    }

    @Test func `a daemon that cannot read a log leaves it to the others`() async throws {
        let rotation = try await Rotation()
        rotation.shards.sizes.withLock { $0[Self.old] = 6 }
        try await rotation.running(fault: .misconfigured(.rekor, detail: "its ca_file is missing")) {
            try await rotation.shards.looks(2, at: Self.old)
            try await rotation.running {
                try await eventually("the other reads it") { try await rotation.holds("next_index = 6 AND at_end") }
            }
        }
    }
}
