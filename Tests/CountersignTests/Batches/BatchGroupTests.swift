import Curl
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Which members of a batch one statement will be about, decided when they enter the queue.
@Suite struct BatchGroupTests {
    /// Sizes of the groups that the jobs are in, the largest first; jobs in none are left out.
    private func groups(_ fixture: BatchFixture) async throws -> [Int] {
        try await fixture.database.pool.query(
            """
            SELECT count(*) AS jobs FROM countersign.job WHERE group_id IS NOT NULL GROUP BY group_id ORDER BY 1 DESC
            """
        ).map { Int(try $0.decode("jobs", as: Int64.self)) }
    }

    private func due(_ fixture: BatchFixture) async throws -> Int {
        try await fixture.database.number("SELECT count(*) FROM countersign.job WHERE run_at <= now()")
    }

    @Test func `a batch enters the queue a statement at a time, and only the first job of each is due`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(25), grouping: .init(maxSubjects: 10))
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.queued: 25])
        #expect(try await groups(fixture) == [10, 10, 5])
        #expect(try await due(fixture) == 3)
        let first = try #require(try await fixture.database.claim().first)
        let more = try await fixture.database.queue.gather(try #require(first.groupID), limit: 1_000)
        #expect(more.count == 9 && more.allSatisfy { $0.groupID == first.groupID })
        #expect(try await fixture.database.contradictions() == 0)
    }

    @Test func `tags of one digest are one subject`() async throws {
        let fixture = try await BatchFixture()
        let subjects = try (0..<12).map { try fixture.subject("image \($0 / 3)", tag: "v\($0)") }
        let batch = try await fixture.batch(subjects, grouping: .init(maxSubjects: 4))
        try await fixture.feed()
        #expect(try await groups(fixture) == [4])
        #expect(try await fixture.counts(batch) == [.queued: 12])
    }

    @Test func `repositories have statements of their own, unless it is widened by name`() async throws {
        let subjects: @Sendable (BatchFixture) throws -> [BatchSubject] = { fixture in
            try (0..<6).map { try fixture.subject("image \($0)", repository: "team/app-\($0 % 2)") }
        }
        let apart = try await BatchFixture()
        _ = try await apart.batch(subjects(apart), grouping: .init(maxSubjects: 10))
        try await apart.feed()
        #expect(try await groups(apart) == [3, 3])
        let together = try await BatchFixture()
        _ = try await together.batch(
            subjects(together), grouping: .init(maxSubjects: 10, acrossRepositories: true))
        try await together.feed()
        #expect(try await groups(together) == [6])
    }

    @Test func `a statement that is widened over repositories stays within one tenant`() async throws {
        let fixture = try await BatchFixture()
        let repositories = ["team/a/app", "team/b/app", "team/a/tool", "team/x", "team/y"]
        let subjects = try (0..<15).map { try fixture.subject("image \($0)", repository: repositories[$0 % 5]) }
        _ = try await fixture.batch(subjects, grouping: .init(maxSubjects: 100, acrossRepositories: true))
        let tenants = try ["a", "b"].map {
            TenantConfiguration(name: $0, repositories: [try Glob("registry.example/team/\($0)/**")])
        }
        try await fixture.feed(fixture.feeder(tenants: tenants))
        #expect(try await groups(fixture) == [6, 6, 3], "two repositories of a, two of nobody, one of b")
        let mixed = try await fixture.database.number(
            """
            SELECT count(*) FROM (
                SELECT j.group_id FROM countersign.job j JOIN countersign.repository r ON r.id = j.repository_id
                GROUP BY 1 HAVING count(DISTINCT CASE WHEN r.name LIKE 'team/_/%' THEN substr(r.name, 6, 1) ELSE '' END) > 1
            ) AS g
            """)
        #expect(mixed == 0)
    }

    @Test func `a statement that is not full waits for tags that nobody asked for yet`() async throws {
        let fixture = try await BatchFixture()
        var subjects = try fixture.subjects(5)
        subjects += try (0..<BatchFeeder.questionLimit + 4).map { number in
            BatchSubject(repository: try fixture.subject("x").repository, tag: "t\(number)", digest: nil)
        }
        let batch = try await fixture.batch(subjects, grouping: .init(maxSubjects: 10))
        _ = try await fixture.feeder().step()
        #expect(try await fixture.counts(batch)[.queued] == nil)
        try await fixture.feed()
        #expect(try await groups(fixture) == [5])
    }

    /// A registry of which nothing can be asked: its rate is used up for long, unless it is known to be away.
    private func busyRegistry(_ fixture: BatchFixture, isAway: Bool = false) async throws -> Registries {
        var budgets = BudgetConfiguration()
        budgets.upstreams = [.init(kind: .registry, rate: 0.001)]
        budgets.breaker.failures = 1
        let dependencies = Dependencies.test(budgets, fixture.database)
        let gate = dependencies.gate(.registry, BatchFixture.registry)
        try await gate.admit()
        if isAway { gate.note(.failed("http.unreachable")) }
        var upstream = UpstreamConfiguration(url: "http://127.0.0.1:9")
        (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
        return try Registries(
            [RegistryConfiguration(name: BatchFixture.registry, upstream: upstream)], http: SigningLine.http,
            dependencies: dependencies)
    }

    @Test func `a tag that does not come to its turn at the registry has not failed, and its statement waits for it`()
        async throws
    {
        let fixture = try await BatchFixture()
        let repository = try fixture.subject("x").repository
        let batch = try await fixture.batch(
            fixture.subjects(5) + [BatchSubject(repository: repository, tag: "t", digest: nil)],
            grouping: .init(maxSubjects: 10))
        let feeder = fixture.feeder(registries: try await busyRegistry(fixture))
        for _ in 0..<6 {
            try await fixture.database.pool.execute("UPDATE countersign.batch_member SET due_at = now()")
            _ = try await feeder.step()
        }
        #expect(
            try await fixture.database.number(
                """
                SELECT count(*) FROM countersign.batch_member WHERE tag = 't' AND failures = 0 AND result IS NULL
                    AND due_at > now() AND error ->> 'code' = 'budget.exhausted'
                """) == 1)
        #expect(try await fixture.counts(batch)[.queued] == nil)
        try await fixture.database.pool.execute(
            "UPDATE countersign.batch_member SET digest = \(sampleDigest("t").description)::text WHERE tag = 't'")
        _ = try await feeder.step()
        #expect(try await groups(fixture) == [6])
    }

    @Test func `a statement does not wait for a registry that is away`() async throws {
        let fixture = try await BatchFixture()
        let repository = try fixture.subject("x").repository
        _ = try await fixture.batch(
            fixture.subjects(5) + [BatchSubject(repository: repository, tag: "t", digest: nil)],
            grouping: .init(maxSubjects: 10))
        _ = try await fixture.feeder(registries: try await busyRegistry(fixture, isAway: true)).step()
        #expect(
            try await fixture.database.text(
                "SELECT error ->> 'code' FROM countersign.batch_member WHERE tag = 't' AND failures = 0")
                == "breaker.open")
        #expect(try await groups(fixture) == [5])
    }

    @Test func `a statement has no more digests than the rate lets in within a minute`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(25), grouping: .init(maxSubjects: 20), rate: 10)
        for _ in 0..<3 { _ = try await fixture.feeder().step() }
        #expect(try await fixture.counts(batch) == [.queued: 10, .pending: 15])
        try await fixture.database.pool.execute("UPDATE countersign.batch_pace SET free_at = now() - interval '1 hour'")
        for _ in 0..<3 { _ = try await fixture.feeder().step() }
        #expect(try await fixture.counts(batch) == [.queued: 20, .pending: 5])
        #expect(try await groups(fixture) == [10, 10])
        try await fixture.database.pool.execute("UPDATE countersign.batch_pace SET free_at = now() - interval '1 hour'")
        try await fixture.feed()
        #expect(try await groups(fixture) == [10, 10, 5])
    }

    @Test func `the rate of a statement over several registries is that of each`() async throws {
        let fixture = try await BatchFixture()
        // nothing is signed there; it counts all the same
        let elsewhere = try Repository(registry: "elsewhere.example", name: "team/app")
        let subjects = try fixture.subjects(25).flatMap { subject in
            [subject, BatchSubject(repository: elsewhere, tag: nil, digest: subject.digest)]
        }
        let batch = try await fixture.batch(
            subjects, grouping: .init(maxSubjects: 30, acrossRepositories: true), rate: 10)
        _ = try await fixture.feeder().step()
        #expect(try await fixture.counts(batch) == [.queued: 10, .refused: 10, .pending: 30])
    }

    @Test func `what is signed or pushed already is in no group`() async throws {
        let fixture = try await BatchFixture()
        try await fixture.database.push(samplePush(sampleDigest("signed")))
        try await fixture.signAll()
        try await fixture.database.push(samplePush(sampleDigest("pushed")))
        let subjects = try ["signed", "pushed", "a", "b"].map { try fixture.subject($0) }
        _ = try await fixture.batch(subjects, grouping: .init(maxSubjects: 10))
        try await fixture.feed()
        #expect(try await groups(fixture) == [2])
        #expect(try await due(fixture) == 3)
    }

    @Test func `a cancelled batch takes its groups back, and resumed it forms them anew`() async throws {
        let fixture = try await BatchFixture()
        let batch = try await fixture.batch(fixture.subjects(8), grouping: .init(maxSubjects: 4))
        try await fixture.feed()
        _ = try await fixture.records.cancel(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await fixture.counts(batch) == [.cancelled: 8])
        #expect(try await fixture.database.jobCount() == 0)
        _ = try await fixture.records.resume(batch.id, by: fixture.principal)
        try await fixture.feed()
        #expect(try await groups(fixture) == [4, 4])
    }
}

/// What one batch does to others, and how fast it is.
@Suite struct BatchPaceTests {
    @Test func `a batch that cannot be carried on says why, holds up no other, and goes on when it can`() async throws {
        let fixture = try await BatchFixture()
        let broken = try await fixture.batch(fixture.subjects(3, "broken"))
        let sound = try await fixture.batch(fixture.subjects(3, "sound"))
        try await fixture.database.pool.execute(
            "UPDATE countersign.batch_member SET repository = 'No Name' WHERE batch_id = \(broken.id) AND ordinal = 1")
        _ = try await fixture.feeder().step()
        #expect(try await fixture.counts(sound) == [.queued: 3])
        #expect(try await fixture.counts(broken) == [.pending: 3])
        let error = try #require(try await fixture.records.batch(broken.id)?.error)
        #expect(error.code == "queue.unreadable" && error.stage == "batch")
        try await fixture.database.pool.execute(
            "UPDATE countersign.batch_member SET repository = 'team/app' WHERE batch_id = \(broken.id)")
        try await fixture.database.pool.execute(
            "UPDATE countersign.batch SET failed_at = now() - interval '1 minute' WHERE failed_at IS NOT NULL")
        try await fixture.feed()
        #expect(try await fixture.counts(broken) == [.queued: 3])
        #expect(try await fixture.records.batch(broken.id)?.error == nil)
    }

    @Test func `a group takes its locks in the order of every push, however large it is`() async throws {
        let fixture = try await BatchFixture()
        let pool = fixture.database.pool
        // the repository is known: its row is nobody's secret
        try await fixture.database.push(samplePush(sampleDigest("another")))
        let subjects = try fixture.subjects(BatchFeeder.stepLimit + 50).sorted { $0.reference > $1.reference }
        let (last, first) = (samplePush(subjects.first?.digest), samplePush(subjects.last?.digest))
        let batch = try await fixture.batch(subjects, grouping: .init(maxSubjects: 1_000))
        let hold = TransactionHold()
        let pushing = Task {
            try await pool.transaction { session in
                _ = try JobQueue.store([first], in: session)
                try hold.wait(in: session)
            }
        }
        try await eventually("the push is stored") { hold.isReached }
        let feeding = Task { try await fixture.feeder().step() }
        try await eventually("the batch waits") { try await fixture.database.waitingForLocks() == 1 }
        // whoever waits for the first holds none that comes later
        try await pool.transaction { session in
            _ = try session.execute("SET LOCAL lock_timeout = '2s'")
            _ = try JobQueue.store([last], in: session)
        }
        hold.release()
        try await pushing.value
        _ = try await feeding.value
        #expect(try await fixture.counts(batch) == [.queued: subjects.count])
        #expect(try await fixture.database.jobCount() == subjects.count + 1)
    }

    @Test func `more batches than one round looks at take turns`() async throws {
        let fixture = try await BatchFixture()
        let subject = try fixture.subject("image")
        for _ in 0..<BatchFeeder.batchLimit + 5 { _ = try await fixture.batch([subject]) }
        let feeder = fixture.feeder()
        for _ in 0..<2 { _ = try await feeder.step() }
        #expect(
            try await fixture.database.number(
                "SELECT count(*) FROM countersign.batch_member WHERE target_id IS NULL") == 0)
    }

    @Test func `a rate is kept for each registry, by all daemons together`() async throws {
        let fixture = try await BatchFixture()
        let fast = try await fixture.batch(fixture.subjects(10, "fast"), rate: 120)
        _ = try await fixture.feeder().step()
        // a minute's 120 are two in a second
        #expect(try await fixture.counts(fast) == [.queued: 2, .pending: 8])
        _ = try await fixture.records.cancel(fast.id, by: fixture.principal)

        let batch = try await fixture.batch(fixture.subjects(10), rate: 1)
        for _ in 0..<3 { _ = try await fixture.feeder().step() }
        #expect(try await fixture.counts(batch) == [.queued: 1, .pending: 9])
        let seconds = try await fixture.database.number(
            "SELECT ceil(extract(epoch FROM free_at - now()))::bigint FROM countersign.batch_pace WHERE batch_id = \(batch.id)"
        )
        #expect((0...60).contains(seconds))
        try await fixture.database.pool.execute("UPDATE countersign.batch_pace SET free_at = now() - interval '1 hour'")
        for _ in 0..<2 { _ = try await fixture.feeder().step() }
        #expect(try await fixture.counts(batch) == [.queued: 2, .pending: 8])
    }
}
