import FoundationEssentials
import OCI
import Postgres
import Testing

@testable import Countersign

@Suite struct QueueClaimTests {
    @Test func `four workers claiming at once never hold the same job`() async throws {
        let fixture = try await QueueFixture()
        for batch in 0..<4 {
            _ = try await fixture.queue.enqueue((0..<100).map { samplePush(sampleDigest("\(batch)-\($0)")) })
        }
        let claimed = try await withThrowingTaskGroup(of: [Claim].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let queue = fixture.anotherQueue()
                    let cursor = ClaimCursor(sweepInterval: .zero)
                    var mine: [Claim] = []
                    while true {
                        let batch = try await queue.claim(limit: 7, cursor: cursor)
                        if batch.isEmpty { return mine }
                        #expect(batch.count <= 7)
                        mine += batch
                    }
                }
            }
            return try await group.reduce(into: [Claim]()) { $0 += $1 }
        }
        // a worker stops when all that is left is locked by another's claim: those are claimed by the other
        #expect(claimed.count == 400)
        #expect(Set(claimed.map(\.jobID)).count == 400)
        #expect(Set(claimed.map(\.leaseToken)).count == 400)
        #expect(try await fixture.contradictions() == 0)
    }

    @Test func `a claim takes no more than its limit, oldest first`() async throws {
        let fixture = try await QueueFixture()
        for index in 0..<5 { try await fixture.push(samplePush(sampleDigest(index))) }
        #expect(try await fixture.claim(limit: 3).map { $0.target?.digest } == (0..<3).map { sampleDigest($0) })
        #expect(try await fixture.claim(limit: 0).isEmpty)
        #expect(try await fixture.claim(limit: 3).count == 2)
    }

    @Test func `an unknown kind of job is left alone`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("a")), samplePush(nil, tag: "latest"))
        try await fixture.pool.execute("UPDATE countersign.job SET kind = 'from_the_future' WHERE kind = 'sign'")
        #expect(try await fixture.claim().map(\.kind) == [.resolve])
        #expect(try await fixture.claim().isEmpty)
    }

    @Test func `a claim starts near the last one and a sweep finds what lies before`() async throws {
        let fixture = try await QueueFixture()
        let cursor = ClaimCursor(sweepInterval: .seconds(3_600))
        try await fixture.push(samplePush(sampleDigest("a")))
        #expect(try await fixture.claim(cursor: cursor).count == 1)
        // as an insert that committed late: due long before what was claimed last
        try await fixture.push(samplePush(sampleDigest("late")))
        try await fixture.pool.execute(
            "UPDATE countersign.job SET run_at = now() - interval '10 minutes' WHERE NOT leased")
        #expect(try await fixture.claim(cursor: cursor).isEmpty)
        try await fixture.push(samplePush(sampleDigest("b")))
        #expect(try await fixture.claim(cursor: cursor).map { $0.target?.digest } == [sampleDigest("b")])
        #expect(try await fixture.claim().map { $0.target?.digest } == [sampleDigest("late")])
    }

    @Test func `the cursor sweeps at its interval and otherwise starts 200 ms before the last claim`() {
        let cursor = ClaimCursor(slack: .milliseconds(200), sweepInterval: .seconds(1))
        let start = ContinuousClock.now
        let seen = Date(timeIntervalSince1970: 1_000)
        #expect(cursor.next(at: start).allSatisfy { $0.since < seen })
        cursor.claimed([(.live, Tenants.everybody, seen + 5), (.live, Tenants.everybody, seen)])
        let next = cursor.next(at: start + .milliseconds(500)).first { $0.lane == .live }
        #expect(next?.since == seen.addingTimeInterval(-0.2))
        #expect(cursor.next(at: start + .milliseconds(1_000)).allSatisfy { $0.since < seen.addingTimeInterval(-1) })
    }

    @Test func `lanes are looked into first as 8 to 3 to 1, evenly spread, and all are looked into`() {
        var schedule = LaneSchedule()
        let orders = (0..<24).map { _ in schedule.next() }
        #expect(orders.allSatisfy { Set($0) == Set(Lane.allCases) })
        let first = orders.map { $0[0] }
        #expect(first.count { $0 == .live } == 16)
        #expect(first.count { $0 == .default } == 6)
        #expect(first.count { $0 == .bulk } == 2)
        #expect(!zip(first, first.dropFirst()).contains { $0 != .live && $1 != .live })
    }

    @Test func `a push overtakes a backfill`() async throws {
        let fixture = try await QueueFixture()
        for index in 0..<20 { try await fixture.push(samplePush(sampleDigest(index), lane: .bulk)) }
        try await fixture.push(samplePush(sampleDigest("live")))
        #expect(try await fixture.claim(limit: 5).contains { $0.target?.digest == sampleDigest("live") })
    }

    /// The plan that a connection prepared while the tables were empty is the plan it keeps.
    @Test func `a claim prepared on the empty tables reads the index after they have grown`() async throws {
        let fixture = try await QueueFixture()
        let statement = JobQueue.claimStatement(
            limit: 10, starts: ClaimCursor().next(), worker: UUID(), lease: .seconds(30))
        let plan = try await fixture.genericPlan(of: statement) { session in
            try session.execute(
                "INSERT INTO countersign.repository (registry, name) SELECT 'r.example', 'app' || n FROM generate_series(1, 100) n"
            )
            try session.execute(
                """
                INSERT INTO countersign.target (digest, repository_id, rule, policy_version)
                SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), 1 + n % 100, 'all', 'v1' FROM generate_series(1, 20000) n
                """)
            try session.execute(
                """
                INSERT INTO countersign.job (kind, target_id, repository_id)
                SELECT 'sign', id, repository_id FROM countersign.target
                """)
        }
        #expect(plan.contains("job_claim"))
        #expect(plan.contains("job_pkey"))
        #expect(!plan.contains("Seq Scan"), "\(plan)")
        #expect(!plan.contains("Hash Join") && !plan.contains("Merge Join"), "\(plan)")
    }

    @Test func `without a place for a group the indexes of both lanes' work are read, however many members wait`()
        async throws
    {
        let fixture = try await QueueFixture()
        let statement = JobQueue.claimStatement(
            limit: 10, starts: ClaimCursor().next(), worker: UUID(), lease: .seconds(30), groups: false)
        let plan = try await fixture.genericPlan(of: statement) { session in
            try session.execute("INSERT INTO countersign.repository (registry, name) VALUES ('r.example', 'app')")
            try session.execute(
                """
                INSERT INTO countersign.target (digest, repository_id, rule, policy_version)
                SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), r.id, 'all', 'v1'
                FROM generate_series(1, 20000) n, countersign.repository r
                """)
            try session.execute(
                """
                INSERT INTO countersign.job (kind, target_id, repository_id, lane, group_id)
                SELECT 'sign', id, repository_id, 2, CASE WHEN id % 1000 > 0 THEN id / 1000 END FROM countersign.target
                """)
            try session.execute("ANALYZE countersign.job")
        }
        #expect(plan.contains("job_claim on job") && plan.contains("job_claim_ungrouped on job"), "\(plan)")
        #expect(!plan.contains("Seq Scan") && !plan.contains("Sort"), "\(plan)")
    }

    @Test func `a member of a group that is pushed is claimed although there is no place for a group`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.pushGroup(of: 3)
        try await fixture.push(samplePush(sampleDigest("alone"), lane: .bulk))
        try await fixture.makeDue()
        try await fixture.push(samplePush(sampleDigest(1)))
        let claims = try await fixture.queue.claim(limit: 10, cursor: ClaimCursor(), groups: false)
        #expect(Set(claims.map { $0.target?.digest }) == [sampleDigest(1), sampleDigest("alone")])
        #expect(claims.first { $0.target?.digest == sampleDigest(1) }?.lane == .live)
        #expect(try await fixture.claim().count == 2)
    }

    @Test func `jobs that are woken piece by piece are read once`() async throws {
        let fixture = try await QueueFixture()
        let dependency = Dependency(.registry, "registry.example")
        let statement = JobQueue.wakeStatement(
            "last_error ->> 'upstream' = \(dependency.description)::text", after: 0)
        let plan = try await fixture.genericPlan(of: statement) { _ in }
        let condition = plan.split(separator: "\n").first { $0.contains("Index Cond") && $0.contains("upstream") }
        #expect(plan.contains("job_withheld") && condition?.contains("id > ") == true, "\(plan)")

        for start in [0, 500, 1_000] {
            let pushes = (start..<start + 500).map { samplePush(sampleDigest($0)) }
            _ = try await fixture.queue.enqueue(pushes)
        }
        let failure = Failure(
            code: "breaker.open", stage: "publish", observed: "503", fix: "wait", upstream: dependency.description)
        try await fixture.pool.execute(
            """
            UPDATE countersign.job SET run_at = now() + interval '1 hour', last_error = \(try failure.json())::jsonb
            """)
        #expect(try await fixture.queue.wakeWithheld(by: dependency) == 1_500)
        #expect(try await fixture.queue.wakeWithheld(by: dependency) == 0)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.job WHERE run_at <= now()") == 1_500)
    }

    @Test func `completing a job reads only its rows`() async throws {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("a")))
        let claim = try await fixture.claimOne()
        let plan = try await fixture.genericPlan(of: JobQueue.completeStatement(claim, sampleRecord())) { _ in }
        #expect(!plan.contains("Seq Scan"), "\(plan)")
        #expect(!plan.contains("Hash Join") && !plan.contains("Merge Join"), "\(plan)")
    }
}

extension QueueFixture {
    /// Plan of a statement prepared now, after `grow` filled the tables, with a plan that is independent of parameters.
    func genericPlan(
        of statement: Query, after grow: @escaping @Sendable (Session) throws -> Void
    ) async throws -> String {
        try await pool.withSession(deadline: .seconds(60)) { session in
            _ = try session.execute("SET plan_cache_mode = force_generic_plan")
            let arguments = (1...statement.parameterCount).map { _ in "NULL" }.joined(separator: ", ")
            _ = try session.execute(Query(unsafeSQL: "PREPARE probe AS " + statement.sql))
            _ = try session.query(Query(unsafeSQL: "EXPLAIN EXECUTE probe(\(arguments))"))
            try grow(session)
            return try session.query(Query(unsafeSQL: "EXPLAIN EXECUTE probe(\(arguments))"))
                .map { try $0.decode(0, as: String.self) }.joined(separator: "\n")
        }
    }
}

extension Query {
    /// `$1`… as they stand in the text.
    fileprivate var parameterCount: Int {
        var count = 0
        while sql.contains("$\(count + 1)") { count += 1 }
        return count
    }
}
