import Curl
import FoundationEssentials
import OCI
import Postgres
import Support
import Synchronization
import Testing

@testable import Countersign

/// Several daemons' gates over one table.
@Suite struct DependencyGateTests {
    private static let rekor = Dependency(.rekor, "https://rekor.example.com")

    private struct World {
        let fixture: QueueFixture
        let daemons: [Dependencies]
        let gates: [DependencyGate]

        init(_ daemons: Int = 2, _ change: (inout BudgetConfiguration) -> Void = { _ in }) async throws {
            fixture = try await QueueFixture()
            var configuration = BudgetConfiguration()
            (configuration.breaker.open, configuration.breaker.ceiling) = (.seconds(3_600), .seconds(36_000))
            change(&configuration)
            var started: [Dependencies] = []
            for _ in 0..<daemons { started.append(Dependencies.test(configuration, fixture)) }
            self.daemons = started
            gates = started.map { $0.gate(DependencyGateTests.rekor) }
        }

        /// The breaker may be tried now.
        func openingEnds() async throws {
            try await fixture.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        }

        func openings() async throws -> Int {
            try await fixture.number("SELECT coalesce(sum(openings), 0) FROM countersign.upstream")
        }

        func trip() async throws {
            let before = try await openings()
            for _ in 0..<5 { gates[0].note(.failed("http.503")) }
            try await eventually("it is written") { try await openings() > before }
        }
    }

    /// Why a gate does not let anybody through; nil if it does.
    private func refusal(_ gate: DependencyGate) async -> String? {
        do throws(Withheld) {
            try await gate.admit()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func `what comes together is paid for together, however low the rate is`() async throws {
        let world = try await World(1) { $0.upstreams = [.init(kind: .rekor, rate: 0.01)] }
        try await world.gates[0].admit(uses: 3)
        let owed = try await world.fixture.number(
            "SELECT round(extract(epoch FROM refilled_at - clock_timestamp()))::bigint FROM countersign.upstream WHERE kind = 'rekor'"
        )
        #expect((150...200).contains(owed), "two entries at one in a hundred seconds: \(owed) s")
        #expect(await refusal(world.gates[0]) == "budget.exhausted")
    }

    private func refusal(_ gate: ReadingGate) async throws -> String? {
        let pass: HTTPPass
        do throws(HTTPError) { pass = try await gate.enter() } catch {
            guard case .withheld(let withheld) = error else { throw error }
            return withheld.code
        }
        gate.leave(.answered(status: 200, retryAfter: nil), pass)
        return nil
    }

    @Test func `whoever reads a log on the side stands back, and says nothing of it but that it is too much`()
        async throws
    {
        let world = try await World()
        let reading = ReadingGate(world.gates[0])
        for _ in 0..<10 {
            let pass = try await reading.enter()
            reading.leave(.answered(status: 503, retryAfter: nil), pass)
        }
        #expect(await refusal(world.gates[0]) == nil, "tiles that cannot be read close no log")
        // nor does what can be read hide that no entry is taken
        for _ in 0..<5 {
            #expect(try await refusal(reading) == nil)
            world.gates[0].note(.failed("http.503"))
        }
        try await eventually("it is open") { try await world.openings() == 1 }
        #expect(try await refusal(reading) == "breaker.open")
        try await world.openingEnds()
        #expect(try await refusal(reading) == "breaker.open", "the trial is for whoever signs")
        #expect(await refusal(world.gates[0]) == nil)
        world.gates[0].note(.answered)
        try await eventually("it is closed") { try await refusal(reading) == nil }

        let pass = try await reading.enter()
        reading.leave(.answered(status: 429, retryAfter: .seconds(600)), pass)
        try await eventually("all hear of it") { await refusal(world.gates[1]) == "budget.paused" }
        #expect(try await refusal(reading) == "budget.paused")
    }

    @Test func `two daemons together keep the rate`() async throws {
        let world = try await World { configuration in
            configuration.upstreams = [.init(kind: .rekor, rate: 40)]
            configuration.wait = .milliseconds(100)
        }
        func databaseTime() async throws -> Date {
            let rows = try await world.fixture.pool.query("SELECT clock_timestamp() AS now")
            return try #require(rows.first).decode("now")
        }
        // a handful each is there before
        for gate in world.gates { _ = await refusal(gate) }
        let start = try await databaseTime()
        let admitted = await withTaskGroup(of: Int.self) { group in
            for gate in world.gates {
                for _ in 0..<4 {
                    group.addTask {
                        var admitted = 0
                        let end = ContinuousClock.now + .seconds(1)
                        while ContinuousClock.now < end {
                            if await refusal(gate) == nil { admitted += 1 }
                        }
                        return admitted
                    }
                }
            }
            return await group.reduce(0, +)
        }
        let passed = try await databaseTime().timeIntervalSince(start)
        #expect(admitted > 0)
        // a second's worth, what flowed in, and the handfuls of before
        #expect(Double(admitted) <= 40 + 40 * passed + 8)
    }

    @Test func `without limits a request costs no statement but the look once a second`() async throws {
        let fixture = try await QueueFixture()
        let metrics = BudgetMetrics(MetricsRegistry())
        let daemon = Dependencies.test(BudgetConfiguration(), fixture, cacheAge: .seconds(3_600), metrics: metrics)
        let gate = daemon.gate(Self.rekor)
        for _ in 0..<200 {
            #expect(await refusal(gate) == nil)
            gate.note(.answered)
        }
        // the row, and the first look
        #expect(metrics.statements.value() == 2)
    }

    @Test func `with a rate of 200 a handful of 20 costs one statement`() async throws {
        let fixture = try await QueueFixture()
        let metrics = BudgetMetrics(MetricsRegistry())
        var configuration = BudgetConfiguration()
        configuration.upstreams = [.init(kind: .rekor, rate: 200)]
        let daemon = Dependencies.test(configuration, fixture, cacheAge: .seconds(3_600), metrics: metrics)
        let gate = daemon.gate(Self.rekor)
        #expect(await refusal(gate) == nil)
        try await fixture.pool.execute("UPDATE countersign.upstream SET tokens = 200, refilled_at = now()")
        let before = metrics.statements.value()
        for _ in 0..<100 { #expect(await refusal(gate) == nil) }
        // five handfuls; a machine that stalls for a second has one of them run out
        #expect(metrics.statements.value() - before <= 10)
    }

    /// By whoever may write to the table: each of them ended the process once.
    @Test(arguments: [
        "openings = 2147483647, open_until = now() - interval '1 minute'",
        "tokens = 'Infinity', slowed_rate = 1, slowed_from = 2, slowed_at = now(), refilled_at = now() + interval '1 second'",
        "tokens = 'NaN', slowed_rate = 1, slowed_from = 2, slowed_at = now(), refilled_at = now() + interval '1 second'",
        "slowed_rate = 1, slowed_from = 1e308, slowed_at = now() - interval '1 day'",
        "slowed_rate = 1e-300, slowed_from = 1e-300, slowed_at = now(), tokens = 0",
    ])
    func `a row that no daemon wrote is counted with all the same`(row: String) async throws {
        let fixture = try await QueueFixture()
        let first = Dependencies.test(BudgetConfiguration(), fixture).gate(Self.rekor)
        _ = await refusal(first)
        try await fixture.pool.execute(
            "INSERT INTO countersign.upstream (kind, name) VALUES ('rekor', \(Self.rekor.name)::text) ON CONFLICT DO NOTHING"
        )
        _ = try await fixture.pool.withSession {
            try $0.execute(Query(stringLiteral: "UPDATE countersign.upstream SET \(row)"))
        }
        let gate = Dependencies.test(BudgetConfiguration(), fixture).gate(Self.rekor)
        for _ in 0..<5 { gate.note(.failed("http.503")) }
        _ = await refusal(gate)
        let changed = try await DependencyLedger(pool: fixture.pool).change(Self.rekor) { record, now in
            _ = record.breaker.trip(by: UUID(), at: now, random: 0, CircuitBreaker.Limits())
            return record.bucket.take(20, at: now, TokenBucket.Limits())
        }
        #expect(changed.record.breaker.openings <= 1_000_001 && changed.record.bucket.tokens <= 1e6)
        #expect(changed.record.bucket.rate(at: changed.now, TokenBucket.Limits()) ?? 1 <= 1e6)
    }

    @Test func `one daemon's failures close the way for all of them, at once for itself`() async throws {
        let world = try await World()
        for _ in 0..<5 { world.gates[0].note(.failed("http.503")) }
        #expect(world.gates[0].phase != .closed)
        try await eventually("the other hears of it") { await refusal(world.gates[1]) == "breaker.open" }
        #expect(try await world.openings() == 1)
    }

    @Test func `of all daemons one tries, and its success lets all in and wakes who waits`() async throws {
        let world = try await World(3)
        try await world.trip()
        try await world.fixture.push(samplePush(sampleDigest("a")))
        let claim = try await world.fixture.claimOne()
        let waiting = Failure(
            code: "breaker.open", stage: "log", observed: "o", fix: "f", upstream: Self.rekor.description)
        _ = try await world.fixture.queue.settle(claim, as: .retry(waiting, after: .seconds(3_600), counts: false))
        #expect(try await world.fixture.queue.withheldJobs() == [Self.rekor.description: 1])

        try await world.openingEnds()
        let admitted = await withTaskGroup(of: DependencyGate?.self) { group in
            for gate in world.gates {
                for _ in 0..<4 { group.addTask { await refusal(gate) == nil ? gate : nil } }
            }
            return await group.reduce(into: [DependencyGate]()) { if let gate = $1 { $0.append(gate) } }
        }
        #expect(admitted.count == 1)
        try #require(admitted.first).note(.answered)
        for gate in world.gates {
            try await eventually("it is closed for all") { await refusal(gate) == nil }
        }
        try await eventually("who waited is due") { try await world.fixture.claim().count == 1 }
        let again = try await world.fixture.number("SELECT failures FROM countersign.job")
        #expect(again == 0, "what was never asked did not fail")
    }

    @Test func `a trial that fails keeps it open for longer`() async throws {
        let world = try await World()
        try await world.trip()
        try await world.openingEnds()
        try await eventually("one has leave to try") { await refusal(world.gates[1]) == nil }
        world.gates[1].note(.failed("http.timeout"))
        try await eventually("it is open again") { try await world.openings() == 2 }
        #expect(await refusal(world.gates[0]) == "breaker.open")
        #expect(
            try await world.fixture.text("SELECT failure_code FROM countersign.upstream") == "http.timeout")
    }

    /// A row of the crash table.
    @Test func `who dies with leave to try is followed by another`() async throws {
        let world = try await World()
        try await world.trip()
        try await world.openingEnds()
        try await eventually("one has leave to try") { await refusal(world.gates[0]) == nil }
        #expect(await refusal(world.gates[1]) == "breaker.open")
        // it is not heard of again
        try await world.fixture.pool.execute("UPDATE countersign.upstream SET probe_until = now()")
        #expect(await refusal(world.gates[1]) == nil)
        world.gates[1].note(.answered)
        try await eventually("it is closed") { try await world.openings() == 0 }
    }

    @Test func `a trial that is not made is given back, and another makes it`() async throws {
        let world = try await World()
        try await world.trip()
        try await world.openingEnds()
        var held: DependencyGate.Admission?
        try await eventually("one has leave to try") {
            held = try? await world.gates[0].admit()
            return held != nil
        }
        let admission = try #require(held)
        #expect(await refusal(world.gates[1]) == "breaker.open")
        await admission.forgo()
        #expect(await refusal(world.gates[1]) == nil)
        // what was given back is not given back again: the trial is the other's now
        await admission.forgo()
        #expect(await refusal(world.gates[0]) == "breaker.open")
        world.gates[1].note(.answered)
        try await eventually("it is closed") { try await world.openings() == 0 }
    }

    @Test func `a request that is cancelled gives up its own trial, and no other's`() async throws {
        let world = try await World()
        let registry = world.daemons[0].gate(.registry, "registry.example.com")
        let cancelled = HTTPRequestEnd.failed(.cancelled(url: "registry.example.com", answerMayBeLost: false))
        // let in before it opened, and still under way
        let before = try await registry.enter()
        for _ in 0..<5 { registry.note(.failed("http.503")) }
        try await eventually("it is written") { try await world.openings() == 1 }
        try await world.openingEnds()
        await world.daemons[0].refresh()
        let trial = try await registry.enter()
        #expect(before.number == nil && trial.number != nil)

        registry.leave(cancelled, before)
        #expect(await refusal(registry) == "breaker.open", "the trial is under way")
        registry.leave(cancelled, trial)
        try await eventually("somebody else may try") { await refusal(registry) == nil }
        registry.note(.answered)
        try await eventually("it is closed") { try await world.openings() == 0 }
    }

    @Test func `a request in the midst of an attempt waits for a short pause, and for no long one`() async throws {
        let world = try await World()
        let registry = world.daemons[0].gate(.registry, "registry.example.com")
        registry.note(DependencyVerdict(.answered(status: 503, retryAfter: .milliseconds(300))))
        #expect(registry.pause != nil)
        #expect(await refusal(registry) == nil)
        #expect(registry.pause == nil)
        registry.note(DependencyVerdict(.answered(status: 503, retryAfter: .seconds(600))))
        #expect(await refusal(registry) == "budget.paused")
    }

    @Test func `of two writes under way the row that was read last counts, in whichever order they are answered`() {
        let now = ContinuousClock.now
        var (short, long) = (DependencyView(rate: nil), DependencyView(rate: nil))
        short.pauses(until: now + .seconds(1))
        long.pauses(until: now + .seconds(600))
        let (first, second) = (Date(timeIntervalSince1970: 1), Date(timeIntervalSince1970: 2))
        for order in [[(short, first), (long, second)], [(long, second), (short, first)]] {
            var state = DependencyGate.State(view: DependencyView(rate: nil))
            state.writes = 2
            for (view, time) in order {
                // a look in between is older than what is on its way
                state.adopt(looked: DependencyView(rate: 7), readAt: first, whenReturned: state.returned)
                state.adopt(changed: view, readAt: time, isWriter: true)
                state.ended(isWritten: true)
            }
            #expect(state.view.pausedUntil == now + .seconds(600) && state.view.rate == nil)
            state.adopt(looked: short, readAt: first, whenReturned: state.returned)
            #expect(state.view.pausedUntil == now + .seconds(600), "an older look is no news")
        }
    }

    @Test func `a look that began before a change of ours came back is no news, whatever its time`() {
        let now = ContinuousClock.now
        var long = DependencyView(rate: nil)
        long.pauses(until: now + .seconds(600))
        var state = DependencyGate.State(view: DependencyView(rate: nil))
        let began = state.returned
        state.writes = 1
        state.adopt(changed: long, readAt: Date(timeIntervalSince1970: 1), isWriter: true)
        state.ended(isWritten: true)
        state.adopt(looked: DependencyView(rate: 7), readAt: Date(timeIntervalSince1970: 2), whenReturned: began)
        #expect(state.view.pausedUntil == now + .seconds(600) && state.view.rate == nil)
        state.adopt(
            looked: DependencyView(rate: 7), readAt: Date(timeIntervalSince1970: 2), whenReturned: state.returned)
        #expect(state.view.pausedUntil == nil && state.view.rate == 7, "the next look is")
    }

    @Test func `what could not be written holds in this daemon for its time`() {
        let now = ContinuousClock.now
        let settings = DependencySettings()
        var state = DependencyGate.State(view: DependencyView(rate: nil))
        let verdict = DependencyVerdict(.answered(status: 503, retryAfter: .seconds(600)))
        for _ in 0..<settings.window.inARow { _ = state.note(verdict, at: now, settings) }
        state.writes = 1
        state.ended(isWritten: false)
        let row = DependencyView(rate: 7)
        state.adopt(looked: row, readAt: Date(timeIntervalSince1970: 1), whenReturned: state.returned)
        #expect(state.view.rate == 7, "the row was read")
        #expect(state.view.pause(at: now) == .seconds(600))
        guard case .open = state.view.phase(at: now) else {
            Issue.record("\(state.view.phase(at: now))")
            return
        }
        // another daemon's trial may have closed it meanwhile: the time over, the row alone counts
        var over = row
        over.holdsBack(as: state.view, at: now + .seconds(3600))
        #expect(over.pausedUntil == nil && over.retryAt == nil)
    }

    @Test func `a Retry-After holds everybody back`() async throws {
        let world = try await World()
        world.gates[0].note(DependencyVerdict(.answered(status: 429, retryAfter: .seconds(600))))
        #expect(await refusal(world.gates[0]) == "budget.paused")
        try await eventually("the other hears of it") { await refusal(world.gates[1]) == "budget.paused" }
        #expect(world.gates[0].phase == .closed)
    }

    @Test func `daemons that are alive share the concurrency`() async throws {
        // two others and this one, which nobody has heard of yet
        let world = try await World(1) { $0.upstreams = [.init(kind: .rekor, concurrency: 3)] }
        try await world.fixture.queue.announce(host: "a", version: "1")
        try await world.fixture.anotherQueue().announce(host: "b", version: "1")
        #expect(await refusal(world.gates[0]) == nil)
        let first = try await world.gates[0].enter()
        let second = Task { try await world.gates[0].enter() }
        // the second waits for the share of one, and is let in when the first ends
        try await eventually("it stands in line") { world.gates[0].standingInLine == 1 }
        #expect(world.gates[0].underWay == 1)
        world.gates[0].leave(.answered(status: 200, retryAfter: nil), first)
        _ = try await second.value
        let third = Task { try await world.gates[0].enter() }
        try await eventually("it stands in line") { world.gates[0].standingInLine == 1 }
        third.cancel()
        await #expect(throws: HTTPError.self) { try await third.value }
        #expect(world.gates[0].underWay == 1 && world.gates[0].standingInLine == 0)
    }

    @Test func `a batch stands back at a registry that tells of pushes late, and a push does not`() async throws {
        let world = try await World(1)
        let registry = world.daemons[0].gate(.registry, "registry.example.com")
        registry.heard(after: .milliseconds(10))
        for _ in 0..<3 { _ = try await registry.enter() }
        registry.heard(after: .seconds(30))
        #expect(registry.bulkLimit == 1)
        let bulk = Task { try await Lane.$ofAttempt.withValue(.bulk) { try await registry.enter() } }
        #expect(try await bulk.value.isYielding, "one is always under way")
        let another = Task { try await Lane.$ofAttempt.withValue(.bulk) { try await registry.enter() } }
        try await eventually("it stands in line") { registry.standingInLine == 1 }
        let live = try await Lane.$ofAttempt.withValue(.live) { try await registry.enter() }
        #expect(!live.isYielding && registry.underWay == 5)
        another.cancel()
        await #expect(throws: HTTPError.self) { _ = try await another.value }
        // a log has no notifications, and nobody yields there
        let log = try await Lane.$ofAttempt.withValue(.bulk) { try await world.gates[0].enter() }
        #expect(!log.isYielding)
    }

    @Test func `a batch that stood back comes forward with the looks at the table`() async throws {
        let world = try await World(1)
        let registry = world.daemons[0].gate(.registry, "registry.example.com")
        registry.yield.withLock { yield in
            yield.heard(after: .milliseconds(10), underWay: 4, at: .now - .seconds(61))
            yield.heard(after: .seconds(9), underWay: 4, at: .now - .seconds(60))
        }
        #expect(registry.bulkLimit == 2)
        await world.daemons[0].refresh()
        #expect(registry.bulkLimit == 3)
    }

    @Test func `a registry that is down is left out of claims, and its jobs wait under its name`() async throws {
        let world = try await World()
        let registry = world.daemons[0].gate(.registry, "registry.example")
        var elsewhere = samplePush(sampleDigest("b"))
        elsewhere.registry = "elsewhere.example"
        try await world.fixture.push(samplePush(sampleDigest("a")), elsewhere)
        for _ in 0..<5 { registry.note(.failed("http.unreachable")) }
        #expect(world.daemons[0].closedRegistries == ["registry.example"])

        let claims = try await world.fixture.queue.claim(
            limit: 10, cursor: ClaimCursor(), closed: world.daemons[0].closedRegistries)
        #expect(claims.map(\.repository.registry) == ["elsewhere.example"])
        await world.daemons[0].refresh()
        #expect(try await world.fixture.claim().isEmpty, "it is not due any more")
        #expect(try await world.fixture.state(sampleDigest("a")) == "waiting")
        #expect(try await world.fixture.errorCode(sampleDigest("a")) == "breaker.open")
        #expect(
            try await world.fixture.number("SELECT attempt + failures FROM countersign.job WHERE NOT leased") == 0)
        #expect(try await world.fixture.contradictions() == 0)
        #expect(try await world.fixture.queue.wakeWithheld(by: registry.dependency) == 1)
        #expect(try await world.fixture.claim().count == 1)
    }
}

extension Dependencies {
    /// Of a daemon of its own on the fixture's database.
    static func test(
        _ configuration: BudgetConfiguration, _ fixture: QueueFixture, cacheAge: Duration = .zero,
        queue: JobQueue? = nil, turn: Duration = .seconds(10), metrics: BudgetMetrics = BudgetMetrics(MetricsRegistry())
    ) -> Dependencies {
        Dependencies(
            configuration, queue: queue ?? fixture.anotherQueue(), cacheAge: cacheAge, turn: turn, metrics: metrics,
            logger: SigningDaemon.silence)
    }
}
