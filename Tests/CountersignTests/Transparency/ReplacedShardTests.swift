import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Synchronization
import Testing

@testable import Countersign

/// Logs that the instance replaces while somebody reads them, or nobody does.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct ReplacedShardTests {
    @Test func `a shard that is replaced is read to its end, and its successor from its first entry`() async throws {
        let line = try await SigningLine()
        let shards = Shards()
        func read(_ id: String) async throws -> Int {
            try await line.database.number("SELECT entries FROM countersign.followed_log WHERE log = \(id)::text")
        }
        func began(_ id: String) async throws -> Int {
            try await line.database.number("SELECT began_at FROM countersign.followed_log WHERE log = \(id)::text")
        }
        shards.sizes.withLock { $0 = ["https://v1.example": 7, "https://2026.example": 3, "https://2027.example": 2] }
        shards.use("https://v1.example", "https://2026.example")
        let monitor = IdentityMonitorTests.monitor(
            line, try await line.daemon(), start: .now, logs: { shards.followed },
            replaced: { id, _ in shards.shard(id) })
        let run = Task { try await monitor.run() }
        try await eventually("both are followed") {
            try await line.database.number("SELECT count(*) FROM countersign.followed_log") == 2
        }
        #expect(try await began("https://v1.example") == 7)
        #expect(try await began("https://2026.example") == 3, "nothing was replaced: from now on")

        // its last entries come while the successor is in use already
        shards.use("https://v1.example", "https://2027.example")
        shards.sizes.withLock { $0["https://2026.example"] = 8 }
        try await eventually("the old one is read to its end") { try await read("https://2026.example") == 5 }
        try await eventually("the new one is read from its first entry") {
            try await read("https://2027.example") == 2
        }
        #expect(try await began("https://2027.example") == 0)
        run.cancel()
        try await run.value
    }

    @Test func `a shard that was replaced is read on after a restart, and let go once it does not answer`() async throws
    {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        let shards = Shards()
        let (v1, old, new, unread) = (
            "https://v1.example", "https://2026.example", "https://2027.example", "https://2025.example"
        )
        shards.sizes.withLock { $0 = [v1: 7, old: 3, new: 2] }
        func running(_ body: () async throws -> Void) async throws {
            let monitor = IdentityMonitorTests.monitor(
                line, daemon, start: .now, queue: line.database.anotherQueue(), logs: { shards.followed },
                replaced: { id, _ in shards.shard(id) })
            let run = Task { try await monitor.run() }
            try await body()
            run.cancel()
            try await run.value
            // its turn is over
            try await line.database.pool.execute("UPDATE countersign.turn SET expires_at = now()")
        }
        func read(_ id: String) async throws -> Int {
            try await line.database.number("SELECT entries FROM countersign.followed_log WHERE log = \(id)::text")
        }
        func version(_ id: String) async throws -> Int {
            try await line.database.number(
                "SELECT coalesce(api_version, 0)::bigint FROM countersign.followed_log WHERE log = \(id)::text")
        }
        shards.use(v1, old)
        try await running {
            try await eventually("both are followed") {
                try await line.database.number("SELECT count(*) FROM countersign.followed_log") == 2
            }
        }
        // a daemon of the version before began this one, and never came to its end
        try await line.database.pool.execute(
            "INSERT INTO countersign.followed_log (log, next_index, began_at) VALUES (\(unread)::text, 0, 0)")

        // while nobody runs its last entries come, and the successor takes over
        shards.use(v1, new)
        shards.sizes.withLock { $0[old] = 8 }
        try await running {
            try await eventually("the old one is read to its end") { try await read(old) == 5 }
            try await eventually("the new one is read from its first entry") {
                try await read(new) == 2
            }
        }
        #expect(try await [version(old), version(v1), version(unread)] == [2, 1, 0])

        // it is switched off, and so is one that was not read to its end
        try await line.database.pool.execute(
            "UPDATE countersign.followed_log SET api_version = 2 WHERE log = \(unread)::text")
        shards.sizes.withLock { $0[old] = nil }
        try await running {
            // not after so many looks, but after a day
            try await eventually("it does not answer") {
                try await line.database.number(
                    """
                    SELECT count(*) FROM countersign.followed_log WHERE log = \(old)::text AND unanswered_since IS NOT NULL
                    """) == 1
            }
            try await shards.looks(15, at: old)
            #expect(try await version(old) == 2)
            try await line.database.pool.execute(
                "UPDATE countersign.followed_log SET unanswered_since = unanswered_since - interval '1 day'")
            try await eventually("it is let go") { try await version(old) == 0 }
            let asked = shards.asked.withLock { $0 }
            try await eventually("the others are asked on") {
                shards.asked.withLock { $0[new, default: 0] > asked[new, default: 0] + 3 }
            }
            #expect(shards.asked.withLock { $0[old, default: 0] } <= asked[old, default: 0] + 1)
            #expect(shards.asked.withLock { $0[unread, default: 0] } > asked[unread, default: 0])
        }
        #expect(try await version(unread) == 2, "what is in it was never read")
    }

    @Test func `what a thief enters in a shard is found by a daemon that starts after it was replaced`() async throws {
        try await SigningLine.withAnotherLab(logs: .v2) { lab in
            let line = try await SigningLine(lab: lab)
            let sigstore = try await FrozenLogTests.sigstore(line)
            let trust = try await TrustKeeper(
                FrozenLogTests.Published(lab: lab), allowsLab: true,
                services: { config, now throws(TrustError) in try sigstore.services(config, at: now) }, logger: .silent)
            let daemon = try line.daemon(following: trust, sigstore)
            func running(_ body: () async throws -> Void) async throws {
                let monitor = IdentityMonitorTests.monitor(
                    line, daemon,
                    logs: {
                        ((try? trust.services())?.logs ?? []).map {
                            IdentityMonitor.Followed($0.client(trust, http: SigningLine.http), chosen: $0.api)
                        }
                    },
                    replaced: { url, api in
                        var upstream = sigstore.upstreams
                        upstream.url = url
                        return InstanceServices.Log(name: url, api: api, upstream: upstream)
                            .client(trust, http: SigningLine.http)
                    })
                let run = Task { try await monitor.run() }
                try await body()
                run.cancel()
                try await run.value
            }
            func sign(_ line: SigningLine, _ daemon: SigningDaemon) async throws {
                let digest = try await line.image().descriptor.digest
                try await line.push(digest)
                try await daemon.workOff()
                #expect(try await line.state(digest) == "signed")
            }
            let old = try #require(try trust.services().logs.first).upstream.url
            try await sign(line, daemon)
            try await running {
                try await eventually("ours is read") {
                    try await line.database.number(
                        "SELECT coalesce(sum(ours), 0)::bigint FROM countersign.followed_log") == 1
                }
            }

            // nobody reads: a thief signs, and the instance starts a new shard
            let thief = try await line.withFreshDatabase()
            try await sign(thief, try thief.daemon(following: trust, sigstore))
            try await lab.rotate(.rekor2)
            #expect(try await trust.refresh())
            try await sign(line, daemon)
            try await running {
                try await eventually("the thief's is seen") {
                    try await line.database.number("SELECT count(*) FROM countersign.suspected_entry") == 1
                }
                try await IdentityMonitorTests.letGraceEnd(line)
                try await eventually("it is told") { try await line.alerts.open() == ["identity.unknown_entry": 1] }
            }
            #expect(try await line.alerts.alerts(state: .open).items.first?.facts["log"] == old)
        }
    }
}
