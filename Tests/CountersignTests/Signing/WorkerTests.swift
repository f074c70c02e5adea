import OCI
import Postgres
import ServiceLifecycle
import Sigstore
import Support
import Testing

@testable import Countersign

/// Whole workers: several on one database, and how one stops.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct WorkerTests {
    @Test func `two daemons on one database sign each digest once, and both work`() async throws {
        let line = try await SigningLine()
        var digests: [Digest] = []
        for number in 0..<16 { digests.append(try await line.image(tag: "v\(number)").descriptor.digest) }
        for digest in digests { try await line.push(digest) }

        let daemons = [try await line.daemon(), try await line.daemon()]
        var settings = Worker.Settings()
        settings.concurrency = 2
        settings.poll = .milliseconds(20)
        let workers = daemons.map { $0.worker(settings) }
        try await running(workers) {
            try await eventually("all are signed", within: .seconds(30)) { try await line.database.jobCount() == 0 }
        }
        for digest in digests { try await line.expectSignedOnce(digest) }
        for daemon in daemons { #expect(try await daemon.signer.identity.certificatesIssued == 1) }
    }

    /// Each must be the only one held: found together, they must not wait for each other.
    @Test(.timeLimit(.minutes(5))) func `several jobs that crashed their workers run one after the other, each alone`()
        async throws
    {
        let line = try await SigningLine()
        var digests: [Digest] = []
        for number in 0..<3 { digests.append(try await line.image(tag: "v\(number)").descriptor.digest) }
        for digest in digests { try await line.push(digest) }
        let limit = Int32(JobQueue.Settings().crashLimit)
        try await line.database.pool.execute("UPDATE countersign.job SET crash_count = \(limit)")
        let holds = [FaultRelay.Hold(), FaultRelay.Hold()]
        for hold in holds { line.rekor.next(.held(hold)) { $0.method == "POST" } }

        var settings = Worker.Settings()
        settings.poll = .milliseconds(20)
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) {
            for (before, hold) in holds.enumerated() {
                await hold.reached()
                // one that ran beside it would come to its entry meanwhile
                try await Task.sleep(for: .milliseconds(500))
                #expect(line.rekor.requests.count { $0.method == "POST" } == before + 1)
                hold.release()
            }
            try await eventually("all are signed", within: .seconds(30)) { try await line.database.jobCount() == 0 }
        }
        for digest in digests { try await line.expectSignedOnce(digest) }
    }

    /// There is always another group while a batch runs.
    @Test(.timeLimit(.minutes(5))) func `a job that must run alone waits for the groups that run, and no other begins`()
        async throws
    {
        let line = try await SigningLine()
        let running = try await line.group(of: 3)
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold)) { $0.method == "POST" }
        var settings = Worker.Settings()
        settings.poll = .milliseconds(20)
        // on a busy machine the job that was put off comes late
        settings.patience = .seconds(240)
        let worker = try await line.daemon().worker(settings)
        let suspect = try await line.image(tag: "suspect").descriptor.digest
        let later = try await line.images(3)
        // not due before it is a suspect and the group runs
        try await line.push(suspect)
        let limit = Int32(JobQueue.Settings().crashLimit)
        try await line.database.pool.execute(
            """
            UPDATE countersign.job SET crash_count = \(limit), run_at = now() + interval '1 hour'
            WHERE target_id = ANY(ARRAY(
                SELECT id FROM countersign.target WHERE digest = \(suspect.description)::text))
            """)
        try await self.running([worker]) {
            await hold.reached()
            try await line.database.pool.execute(
                """
                UPDATE countersign.job SET run_at = now() WHERE target_id = ANY(ARRAY(
                    SELECT id FROM countersign.target WHERE digest = \(suspect.description)::text))
                """)
            try await eventually("it is put off", within: .seconds(30)) {
                try await line.database.number(
                    """
                    SELECT count(*) FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id
                    WHERE t.digest = \(suspect.description)::text AND NOT j.leased AND j.run_at > now()
                    """) == 1
            }
            try await line.queueGroup(later)
            try await Task.sleep(for: .milliseconds(500))
            for digest in later { #expect(try await line.state(digest) == "queued") }
            hold.release()
            try await eventually("all are signed", within: .seconds(60)) { try await line.database.jobCount() == 0 }
        }
        try await line.expectSignedOnce(suspect)
        try await line.expectSignedOnce(running)
        try await line.expectSignedOnce(later)
        #expect(
            try await line.database.number(
                """
                SELECT count(*) FROM countersign.target t, countersign.target s
                WHERE s.digest = \(suspect.description)::text AND t.signed_at < s.signed_at
                """) == running.count)
    }

    @Test func `a worker whose row is gone shows itself again`() async throws {
        let line = try await SigningLine()
        var settings = Worker.Settings()
        settings.heartbeat = .milliseconds(20)
        let worker = try await line.daemon().worker(settings)
        func rows() async throws -> Int { try await line.database.number("SELECT count(*) FROM countersign.worker") }
        try await running([worker]) {
            try await eventually("it is shown") { try await rows() == 1 }
            try await line.database.pool.execute("DELETE FROM countersign.worker")
            try await eventually("it is shown again") { try await rows() == 1 }
        }
    }

    /// All slots at an upstream that answers late: nothing is claimed until an attempt has ended.
    @Test(.timeLimit(.minutes(5))) func `an attempt at a slow registry is progress, and one that stands still is none`()
        async throws
    {
        let line = try await SigningLine()
        try await line.push(try await line.image(tag: "slow").descriptor.digest)
        line.registry.next(.late(.milliseconds(200)), times: .max)
        var setup = SigningLine.Setup()
        setup.budgets = BudgetConfiguration()
        var settings = Worker.Settings()
        (settings.concurrency, settings.poll) = (1, .milliseconds(20))
        let progress = WorkerHeartbeat()
        let worker = try await line.daemon(setup).worker(settings, progress: progress)
        let began = ContinuousClock.now
        var longest = Duration.zero
        try await running([worker]) {
            while try await line.database.jobCount() > 0 {
                longest = max(longest, try #require(progress.sinceLastStep))
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(longest < (ContinuousClock.now - began) / 2)

            line.registry.heal()
            let hold = FaultRelay.Hold()
            line.registry.next(.held(hold))
            try await line.push(try await line.image(tag: "held").descriptor.digest)
            await hold.reached()
            let silent = longest + .seconds(1)
            try await eventually("it is told") { try #require(progress.sinceLastStep) > silent }
            hold.release()
            try await eventually("it goes on") { try await line.database.jobCount() == 0 }
        }
    }

    @Test func `a worker that stops lets its attempts finish`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.rekor.next(.answerHeld(hold))
        let worker = try await line.daemon().worker(Worker.Settings())
        try await running([worker]) {
            await hold.reached()
            Task {
                try await Task.sleep(for: .milliseconds(100))
                hold.release()
            }
        }
        try await line.expectSignedOnce(digest)
    }

    @Test func `a batch leaves slots for live pushes`() async throws {
        let line = try await SigningLine()
        var batch: [Digest] = []
        for number in 0..<3 { batch.append(try await line.image(tag: "b\(number)").descriptor.digest) }
        for digest in batch {
            try await line.database.push(samplePush(digest, repository: line.repository.name, lane: .bulk))
        }
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold))
        var settings = Worker.Settings()
        (settings.concurrency, settings.liveSlots) = (2, 1)
        settings.poll = .milliseconds(20)
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) {
            await hold.reached()
            let live = try await line.image(tag: "live").descriptor.digest
            try await line.push(live)
            try await eventually("the push is signed beside the batch") { try await line.state(live) == "signed" }
            // the other slot is the one of the batch that is held: no second one was taken for it
            for digest in batch { #expect(try await line.state(digest) != "signed") }
            hold.release()
            try await eventually("all are signed") { try await line.database.jobCount() == 0 }
        }
        for digest in batch { try await line.expectSignedOnce(digest) }
    }

    @Test func `what does not finish in the grace is given back at once, uncounted`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold))
        var settings = Worker.Settings()
        settings.shutdownGrace = .zero
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) { await hold.reached() }

        #expect(try await line.state(digest) == "queued")
        let given = try await line.database.number(
            "SELECT count(*) FROM countersign.job WHERE NOT leased AND attempt = 0 AND crash_count = 0 AND run_at <= now()"
        )
        #expect(given == 1)
        hold.release()
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `a publication that is stopped lets the next writer in at once`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.registry.next(.held(hold), where: \.isReferrer)
        var settings = Worker.Settings()
        settings.shutdownGrace = .zero
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) { await hold.reached() }
        #expect(try await line.database.number("SELECT count(*) FROM countersign.subject_lease") == 0)
        hold.release()
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `what an operator cancels stops within a heartbeat`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.tsa.next(.held(hold))
        var settings = Worker.Settings()
        settings.heartbeat = .milliseconds(20)
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) {
            await hold.reached()
            #expect(try await line.database.cancelAll() == [.cancelling])
            try await eventually("it is cancelled") { try await line.state(digest) == "cancelled" }
        }
        hold.release()
        #expect(try await line.database.jobCount() == 0)
        try await line.expectNothingPublic(digest)

        try await line.push(digest)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `an attempt whose job was taken over stops by itself`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold))
        var settings = Worker.Settings()
        settings.heartbeat = .milliseconds(20)
        settings.poll = .seconds(60)
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) {
            await hold.reached()
            let second = try await line.daemon()
            try await eventually("it is taken over between two heartbeats") {
                try await line.giveUpHolders()
                try await second.attemptAll()
                return try await line.database.jobCount() == 0
            }
            try await line.expectSignedOnce(digest)
            // still held by the relay, the first attempt could not end by itself: that the worker can stop shows that it did
        }
        hold.release()
        try await line.expectSignedOnce(digest)
    }

    /// Its heartbeats are not answered, and nobody takes the job over: nothing but its own clock can tell.
    @Test func `an attempt stops before its lease ends when no heartbeat renewed it`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold))
        var setup = SigningLine.Setup()
        // long enough to come as far as the log on a busy machine
        (setup.settings.lease, setup.settings.leaseMargin) = (.seconds(25), .seconds(5))
        var settings = Worker.Settings()
        (settings.heartbeat, settings.poll) = (.seconds(600), .seconds(600))
        let worker = try await line.daemon(setup).worker(settings)
        try await running([worker]) {
            await hold.reached()
            try await eventually("it is given back, uncounted", within: .seconds(120)) {
                try await line.database.number(
                    "SELECT count(*) FROM countersign.job WHERE NOT leased AND attempt = 0") == 1
            }
        }
        hold.release()
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `a group without trust in its leases is given back whole, and nothing of it is sent`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        var setup = SigningLine.Setup()
        setup.settings.leaseMargin = setup.settings.lease
        var settings = Worker.Settings()
        (settings.heartbeat, settings.poll) = (.seconds(600), .seconds(600))
        try await running([try await line.daemon(setup).worker(settings)]) {
            try await eventually("all are given back, uncounted") {
                try await line.database.number(
                    """
                    SELECT count(*) FROM countersign.job j JOIN countersign.target t ON t.id = j.target_id
                    WHERE NOT j.leased AND j.attempt = 0 AND t.attempts > 0
                    """) == 3
            }
        }
        #expect(line.rekor.writes == 0 && line.registry.writes == 0)
        settings.poll = .milliseconds(20)
        try await running([try await line.daemon().worker(settings)]) {
            try await eventually("all are signed", within: .seconds(60)) { try await line.database.jobCount() == 0 }
        }
        try await line.expectSignedOnce(digests)
    }

    @Test func `a group takes no slot from pushes`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold)) { $0.method == "POST" }
        var settings = Worker.Settings()
        settings.concurrency = 1
        settings.poll = .milliseconds(20)
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) {
            await hold.reached()
            let pushed = try await line.image(tag: "pushed").descriptor.digest
            try await line.push(pushed)
            try await eventually("the push is signed", within: .seconds(30)) {
                try await line.state(pushed) == "signed"
            }
            #expect(try await line.state(digests[0]) == "signing")
            hold.release()
            try await eventually("the group is signed", within: .seconds(30)) {
                try await line.database.jobCount() == 0
            }
        }
        try await line.expectSignedOnce(digests)
    }

    @Test func `groups beyond the limit wait and stay whole`() async throws {
        let line = try await SigningLine()
        let groups = [try await line.group(of: 3), try await line.group(of: 3), try await line.group(of: 3)]
        var settings = Worker.Settings()
        settings.groups = 1
        settings.poll = .milliseconds(20)
        let worker = try await line.daemon().worker(settings)
        try await running([worker]) {
            try await eventually("all are signed", within: .seconds(60)) { try await line.database.jobCount() == 0 }
        }
        for group in groups { try await line.expectSignedOnce(group) }
    }

    /// Runs the workers for the length of `body`, then stops them as SIGTERM would, and waits for their end.
    private func running(_ workers: [Worker], _ body: () async throws -> Void) async throws {
        let group = ServiceGroup(configuration: .init(services: workers, logger: SigningDaemon.silence))
        let run = Task { try await group.run() }
        do {
            try await body()
        } catch {
            run.cancel()
            throw error
        }
        await group.triggerGracefulShutdown()
        try await run.value
    }
}
