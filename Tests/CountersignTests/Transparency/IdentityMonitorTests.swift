import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Postgres
import Sigstore
import SigstoreLab
import StrictJSON
import Support
import Synchronization
import Testing

@testable import Countersign

/// Who else signs as us, in a lab's logs of both kinds. Each has a lab of its own: there, every entry is this test's.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct IdentityMonitorTests {
    private static func setup(_ version: Int) -> SigningLine.Setup {
        var setup = SigningLine.Setup()
        setup.isRekorV2 = version == 2
        return setup
    }

    private static func log(_ line: SigningLine, _ version: Int) async throws -> any LogFollower {
        let endpoints = try await line.lab.endpoints
        guard version == 2 else {
            return RekorV1(url: endpoints.rekor, http: SigningLine.http, route: SigningLine.route)
        }
        let logs = try TrustedRoot(json: try await line.lab.trustedRootJSON).tlogs
        return RekorV2(
            url: endpoints.rekor2, verifier: CheckpointVerifier(logs: { logs }), http: SigningLine.http,
            route: SigningLine.route)
    }

    static func monitor(
        _ line: SigningLine, _ daemon: SigningDaemon, start: ReconcileConfiguration.Start = .index(0),
        queue: JobQueue? = nil, lasting: Duration = .seconds(120), poll: Duration = .milliseconds(20),
        metrics: MetricsRegistry = MetricsRegistry(),
        logs: @escaping @Sendable () -> [IdentityMonitor.Followed] = { [] },
        replaced: @escaping @Sendable (String, RekorAPI) -> any LogFollower = { url, _ in PoorLog(id: url, length: 0) },
        logger: Logger = SigningDaemon.silence
    ) -> IdentityMonitor {
        var settings = ReconcileConfiguration.IdentityMonitor()
        (settings.isEnabled, settings.start, settings.rate) = (true, start, 1_000)
        settings.poll = poll
        let holder = (queue ?? line.database.queue).worker
        return IdentityMonitor(
            logs, replaced: replaced, identities: daemon.signers.identities.map(WatchedIdentity.init),
            records: FollowedLogs(
                pool: line.database.pool, turns: Turns(pool: line.database.pool, holder: holder, lasting: lasting),
                alerts: line.alerts),
            settings: settings, metrics: IdentityMonitorMetrics(metrics), logger: logger)
    }

    /// Reads to the end of the log.
    private static func follow(_ monitor: IdentityMonitor, _ log: any LogFollower) async throws {
        while try await monitor.step(log) {}
    }

    /// The grace is over for what is suspected.
    static func letGraceEnd(_ line: SigningLine) async throws {
        try await line.database.pool.execute(
            "UPDATE countersign.suspected_entry SET seen_at = now() - interval '1 hour'")
    }

    static func sign(_ line: SigningLine, _ setup: SigningLine.Setup) async throws -> OCI.Digest {
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
        return digest
    }

    @Test(arguments: [1, 2])
    func `an entry under our identity that is not ours is an alert after the grace, ours are none`(version: Int)
        async throws
    {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let setup = Self.setup(version)
            let daemon = try await line.daemon(setup)
            for _ in 0..<3 { _ = try await Self.sign(line, setup) }
            let log = try await Self.log(line, version)
            let monitor = Self.monitor(line, daemon)
            try await Self.follow(monitor, log)
            try await Self.letGraceEnd(line)
            try await Self.follow(monitor, log)
            #expect(try await line.alerts.alerts().items.isEmpty)
            #expect(try await line.database.number("SELECT ours FROM countersign.followed_log") == 3)

            // somebody with our token and no access to our records, and somebody else
            let thief = try await line.withFreshDatabase()
            let stolen = try await Self.sign(thief, setup)
            try await thief.useToken(subject: "system:serviceaccount:ci:other")
            var other = setup
            other.subject = "https://kubernetes.io/namespaces/ci/serviceaccounts/other"
            _ = try await Self.sign(thief, other)
            try await Self.follow(monitor, log)
            #expect(try await line.alerts.alerts().items.isEmpty, "within the grace")
            try await Self.letGraceEnd(line)
            try await Self.follow(monitor, log)
            let alerts = try await line.alerts.alerts(state: .open).items
            #expect(alerts.map(\.code) == ["identity.unknown_entry"])
            let index = try #require(try await thief.signature(of: stolen)).logIndex
            #expect(alerts.first?.facts["log_index"] == "\(index)" && alerts.first?.facts["log"] == log.id)
            #expect(alerts.first?.facts["identity"] == setup.subject)

            // the same log read again says nothing new
            try await line.database.pool.execute("UPDATE countersign.followed_log SET next_index = 0")
            try await Self.follow(monitor, log)
            try await Self.letGraceEnd(line)
            try await Self.follow(monitor, log)
            #expect(try await line.alerts.alerts().items.count == 1)
        }
    }

    @Test func `what one signature has in several logs is ours in each`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            var setup = SigningLine.Setup()
            setup.tiles = try FaultRelay(to: #require(URL(string: try await lab.endpoints.rekor2)?.port))
            let daemon = try await line.daemon(setup)
            _ = try await Self.sign(line, setup)
            let monitor = Self.monitor(line, daemon)
            for version in [1, 2] {
                let log = try await Self.log(line, version)
                try await Self.follow(monitor, log)
                try await Self.letGraceEnd(line)
                try await Self.follow(monitor, log)
            }
            #expect(try await line.alerts.alerts().items.isEmpty)
            #expect(try await line.database.number("SELECT count(*) FROM countersign.followed_log WHERE ours = 1") == 2)
        }
    }

    @Test func `what is prepared, and what was put aside, is ours`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let daemon = try await line.daemon()
            let digest = try await line.image().descriptor.digest
            try await line.push(digest)
            line.rekor.next(.answerLost) { $0.method == "POST" }
            try await daemon.attemptAll()
            #expect(
                try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE logged_at IS NULL") == 1
            )
            try await line.database.pool.execute(
                "UPDATE countersign.evidence SET abandoned_at = now(), abandon_reason = 'a test' WHERE logged_at IS NULL"
            )
            let (monitor, log) = (Self.monitor(line, daemon), try await Self.log(line, 1))
            try await Self.follow(monitor, log)
            #expect(try await line.database.number("SELECT entries FROM countersign.followed_log") == 1)
            #expect(try await line.database.number("SELECT count(*) FROM countersign.suspected_entry") == 0)
        }
    }

    @Test func `an alert ends once our records explain the entry: after a restore, when it is adopted`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let before = try await SigningLine(lab: lab)
            let digest = try await Self.sign(before, Self.setup(1))
            let line = try await before.withFreshDatabase()
            let daemon = try await line.daemon()
            let (monitor, log) = (Self.monitor(line, daemon), try await Self.log(line, 1))
            try await Self.follow(monitor, log)
            try await Self.letGraceEnd(line)
            try await Self.follow(monitor, log)
            #expect(try await line.alerts.open() == ["identity.unknown_entry": 1])
            try await line.push(digest)
            try await daemon.workOff()
            try await Self.follow(monitor, log)
            #expect(try await line.alerts.alerts(state: .ended).items.count == 1)
        }
    }

    @Test func `a Rekor v1 is read ten entries at once, and one where that is not to be had`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let daemon = try await line.daemon()
            for number in 0..<12 { try await line.push(try await line.image(tag: "v\(number)").descriptor.digest) }
            try await daemon.workOff()
            let log = RekorV1(url: line.rekor.url, http: SigningLine.http, route: SigningLine.route)
            let before = line.rekor.requests.count
            try await Self.follow(Self.monitor(line, daemon), log)
            #expect(try await line.database.number("SELECT ours FROM countersign.followed_log") == 12)
            let asked = line.rekor.requests.dropFirst(before)
            #expect(asked.count { $0.path == "/api/v1/log/entries/retrieve" } == 2)
            #expect(!asked.contains { $0.path == "/api/v1/log/entries" })

            #expect(try await log.entries(from: 2, limit: 256).map(\.logIndex) == Array(2..<12))
            // beyond the newest, of a log whose replicas are not of one size
            #expect(try await log.entries(from: 8, limit: 10).map(\.logIndex) == [8])
            #expect(try await log.entries(from: 12, limit: 10).isEmpty)
            // too much for it at once
            line.rekor.next(.answered(500)) { $0.method == "POST" }
            #expect(try await log.entries(from: 0, limit: 10).map(\.logIndex) == [0])
            line.rekor.next(.answered(429)) { $0.method == "POST" }
            await #expect(throws: SigstoreError.self) { try await log.entries(from: 0, limit: 10) }
        }
    }

    /// A log of the test's own making.
    private struct ScriptedLog: LogFollower {
        let id = "https://log.example"
        let all: [TlogEntry]

        func size() async throws(SigstoreError) -> Int64 { Int64(all.count) }

        func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry] {
            Array(all.dropFirst(Int(index)).prefix(limit))
        }
    }

    private static func rekord(_ format: String, _ verifier: String) -> [UInt8] {
        Array(
            #"{"apiVersion":"0.0.1","kind":"rekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"\#(String(repeating: "0", count: 64))"}},"signature":{"content":"AAAA","format":"\#(format)","publicKey":{"content":"\#(verifier)"}}}}"#
                .utf8)
    }

    @Test func `a chain is read by its first certificate, and what is not read is counted and told`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let thief = try await SigningLine(lab: lab)
            _ = try await Self.sign(thief, Self.setup(1))
            let real = try #require(try await Self.log(thief, 1).entries(from: 0, limit: 1).first)
            let document = try JSONValue(parsing: real.canonicalizedBody)
            guard case .array(let signatures)? = document["spec"]?["signatures"],
                let verifier = signatures.first?["verifier"]?.text, let pem = Base64.decode(verifier)
            else { throw SupportError("the log's entry has no verifier") }
            var (chain, foreign, broken, old, odd, pgp) = (real, real, real, real, real, real)
            chain.canonicalizedBody = Array(
                String(decoding: real.canonicalizedBody, as: UTF8.self)
                    .replacing(verifier, with: Base64.encode(pem + pem)).utf8)
            (foreign.logIndex, foreign.kind, foreign.version) = (1, "helm", "0.0.1")
            foreign.canonicalizedBody = Array(#"{"apiVersion":"0.0.1","kind":"helm","spec":{}}"#.utf8)
            broken.logIndex = 2
            broken.canonicalizedBody = Array(#"{"apiVersion":"0.0.1","kind":"dsse","spec":{}}"#.utf8)
            // cosign before 2.2: the log keeps a digest of the envelope, and no signature that records could know
            (old.logIndex, old.kind, old.version) = (3, "intoto", "0.0.1")
            old.canonicalizedBody = Array(
                #"{"apiVersion":"0.0.1","kind":"intoto","spec":{"content":{"hash":{"algorithm":"sha256","value":"\#(String(repeating: "0", count: 64))"}},"publicKey":"\#(verifier)"}}"#
                    .utf8)

            // of every format of signature, which stock cosign takes for that of a certificate too
            (odd.logIndex, odd.kind, odd.version) = (4, "rekord", "0.0.1")
            odd.canonicalizedBody = Self.rekord("x509", verifier)
            (pgp.logIndex, pgp.kind, pgp.version) = (5, "rekord", "0.0.1")
            pgp.canonicalizedBody = Self.rekord("pgp", verifier)

            let line = try await thief.withFreshDatabase()
            let monitor = Self.monitor(line, try await line.daemon())
            let log = ScriptedLog(all: [chain, foreign, broken, old, odd, pgp])
            try await Self.follow(monitor, log)
            let told = try #require(try await line.sweeps.followedLogs().first)
            #expect(told.entries == 6 && told.suspected == 3 && told.unknownKinds == 2 && told.unreadable == 1)
            try await Self.letGraceEnd(line)
            try await Self.follow(monitor, log)
            #expect(try await line.alerts.open() == ["identity.unknown_entry": 3])
        }
    }

    @Test func `what was found in a log that is followed no more is judged all the same`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let thief = try await SigningLine(lab: lab)
            _ = try await Self.sign(thief, Self.setup(1))
            let line = try await thief.withFreshDatabase()
            let (monitor, log) = (Self.monitor(line, try await line.daemon()), try await Self.log(line, 1))
            try await Self.follow(monitor, log)
            // a new shard took over
            try await monitor.judgeSuspects(besides: ["https://new.example"])
            #expect(try await line.alerts.alerts().items.isEmpty, "within the grace")
            try await Self.letGraceEnd(line)
            try await monitor.judgeSuspects(besides: [log.id])
            #expect(try await line.alerts.alerts().items.isEmpty, "its own step judges it")
            try await monitor.judgeSuspects(besides: ["https://new.example"])
            #expect(try await line.alerts.open() == ["identity.unknown_entry": 1])
        }
    }

    @Test func `from now on means from now on, and another daemon goes on where one died`() async throws {
        try await SigningLine.withAnotherLab { lab in
            let line = try await SigningLine(lab: lab)
            let daemon = try await line.daemon()
            _ = try await Self.sign(line, Self.setup(1))
            let log = try await Self.log(line, 1)
            let first = Self.monitor(line, daemon, start: .now)
            try await Self.follow(first, log)
            #expect(try await line.database.number("SELECT entries FROM countersign.followed_log") == 0)
            _ = try await Self.sign(line, Self.setup(1))
            let other = Self.monitor(line, daemon, queue: line.database.anotherQueue())
            #expect(try await other.step(log) == false)
            #expect(try await line.database.number("SELECT entries FROM countersign.followed_log") == 0)
            try await line.database.pool.execute("UPDATE countersign.turn SET expires_at = now() - interval '1 second'")
            try await Self.follow(other, log)
            #expect(try await line.database.number("SELECT entries FROM countersign.followed_log") == 1)
        }
    }

    /// A log that gives one entry a request, slowly or now and then.
    final class PoorLog: LogFollower {
        let id: String
        let length: Int64
        private let pause: Duration
        /// Each request of that number fails.
        private let failing: Int?
        private let asked = Mutex(0)

        init(id: String = "https://log.example", length: Int64, pause: Duration = .zero, failing: Int? = nil) {
            (self.id, self.length, self.pause, self.failing) = (id, length, pause, failing)
        }

        var requests: Int { asked.withLock { $0 } }

        func size() async throws(SigstoreError) -> Int64 { length }

        func entries(from index: Int64, limit: Int) async throws(SigstoreError) -> [TlogEntry] {
            let number = asked.withLock { asked in
                asked += 1
                return asked
            }
            try? await Task.sleep(for: pause)
            if let failing, number.isMultiple(of: failing) {
                throw .throttled(.rekor, status: 429, retryAfter: nil, answerMayBeLost: false)
            }
            return [
                TlogEntry(
                    logIndex: index, logID: Array(repeating: 1, count: 32), kind: "rekord", version: "0.0.1",
                    integratedTime: 0, inclusionPromise: nil, inclusionProof: nil,
                    canonicalizedBody: Array(#"{"apiVersion":"0.0.1","kind":"rekord","spec":{}}"#.utf8))
            ]
        }
    }

    @Test func `a log that takes longer than a turn for what is read at once is read to its end`() async throws {
        let line = try await SigningLine()
        let (log, registry) = (PoorLog(length: 80, pause: .milliseconds(50)), MetricsRegistry())
        let monitor = Self.monitor(line, try await line.daemon(), lasting: .seconds(1), metrics: registry)
        for _ in 0..<4 where try await !monitor.step(log) { break }
        #expect(try await line.database.number("SELECT next_index FROM countersign.followed_log") == 80)
        #expect(log.requests == 80, "nothing was read twice")
        #expect(registry.render().contains(#"countersign_monitor_entries_total{log="https://log.example"} 80"#))
    }

    @Test func `a log that answers now and then is read to its end`() async throws {
        let line = try await SigningLine()
        let (log, registry) = (PoorLog(length: 100, failing: 40), MetricsRegistry())
        let monitor = Self.monitor(line, try await line.daemon(), metrics: registry)
        for _ in 0..<10 { _ = try? await monitor.step(log) }
        #expect(try await line.database.number("SELECT next_index FROM countersign.followed_log") == 100)
        #expect(log.requests == 102, "nothing was read twice")
        #expect(registry.render().contains(#"countersign_monitor_entries_total{log="https://log.example"} 100"#))
    }

    @Test func `what was read in a turn that was lost is no progress`() async throws {
        let line = try await SigningLine()
        let (log, registry) = (PoorLog(length: 20, pause: .milliseconds(50)), MetricsRegistry())
        let monitor = Self.monitor(line, try await line.daemon(), metrics: registry)
        async let step = monitor.step(log)
        try await eventually("it reads") { log.requests > 2 }
        try await line.database.pool.execute("UPDATE countersign.turn SET holder = gen_random_uuid()")
        #expect(try await step == false)
        #expect(try await line.database.number("SELECT next_index FROM countersign.followed_log") == 0)
        #expect(!registry.render().contains("countersign_monitor_entries_total{"))
        #expect(try await monitor.step(log) == false)
        #expect(!registry.render().contains("countersign_monitor_behind{"), "another daemon shows how far it is")
    }
}
