import Curl
import Postgres
import Support
import Synchronization
import Testing

@testable import Countersign

/// Who gets the next token of a rate that is less than what is to be done.
@Suite struct TokenLineTests {
    private let fixture: QueueFixture
    private let daemon: Dependencies
    private let log: DependencyGate
    private let admitted = Admitted()

    init() async throws {
        fixture = try await QueueFixture()
        var configuration = BudgetConfiguration()
        configuration.upstreams = [.init(kind: .rekor, rate: 3)]
        configuration.wait = .seconds(60)
        daemon = Dependencies.test(configuration, fixture)
        log = daemon.gate(.rekor, "https://rekor.example.com")
        try await log.admit()
        // no tokens but those that flow in from now on
        try await fixture.pool.execute("UPDATE countersign.upstream SET tokens = 0, refilled_at = now()")
    }

    /// Who got a token, in that order.
    private final class Admitted: Sendable {
        private let lanes = Mutex<[Lane]>([])
        func add(_ lane: Lane) { lanes.withLock { $0.append(lane) } }
        var inOrder: [Lane] { lanes.withLock(\.self) }
    }

    /// So many attempts that want to make an entry; of those that have none yet one waits for its token, all others are in line.
    private func stand(_ count: Int, _ lane: Lane) async throws -> [Task<Void, any Error>] {
        let tasks = (0..<count).map { _ in
            Task {
                _ = try await Lane.$ofAttempt.withValue(lane) { try await log.admit() }
                admitted.add(lane)
            }
        }
        try await eventually("they stand in line") {
            let yielding = log.turn.queuedYielding
            let inLine = lane == .bulk ? yielding : log.turn.queued - yielding
            return inLine + admitted.inOrder.count { $0 == lane } >= count - 1
        }
        return tasks
    }

    private func end(_ tasks: [Task<Void, any Error>]) async {
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.result }
    }

    /// How long one of this lane is told to wait for those that stand before it.
    private func wait(_ lane: Lane) -> Duration {
        Lane.$ofAttempt.withValue(lane) { log.exhausted(.zero).after }
    }

    @Test(.timeLimit(.minutes(2))) func `a push stands before every batch at a busy log`() async throws {
        let bulk = try await stand(40, .bulk)
        #expect(log.turn.queuedYielding > 8)
        let before = admitted.inOrder.count
        let live = try await stand(1, .live)
        try await live[0].value
        // the one that waited for its token already, and what flowed in meanwhile
        #expect(admitted.inOrder.dropFirst(before).prefix { $0 == .bulk }.count <= 3)
        await end(bulk)
    }

    @Test(.timeLimit(.minutes(2))) func `a batch gets every ninth token however many pushes there are`() async throws {
        let tasks = try await stand(3, .bulk) + stand(27, .live)
        try await eventually("both had some") { admitted.inOrder.count >= 20 }
        #expect(admitted.inOrder.prefix(20).count { $0 == .bulk } >= 2)
        await end(tasks)
    }

    @Test func `a push is told to come back by the pushes in line, a batch by all`() async throws {
        let tasks = try await stand(31, .bulk)
        #expect(wait(.live) == .zero)
        #expect(wait(.bulk) > .seconds(2))
        await end(tasks)
    }

    /// So many of a lane before another gate, of which one waits for its token; they get none in this test.
    private func line(_ count: Int, _ lane: Lane, before gate: DependencyGate) async throws -> [Task<Void, any Error>] {
        let before = gate.turn.queued + gate.turn.taken
        let tasks = (0..<count).map { _ in
            Task { _ = try await Lane.$ofAttempt.withValue(lane) { try await gate.admit() } }
        }
        try await eventually("they stand in line") { gate.turn.queued + gate.turn.taken == before + count }
        return tasks
    }

    /// A daemon with so many tokens a second for each log and registry; `budgets.wait` is so long that two are too many in line.
    private func slowDaemon(rate: Double = 0.01) -> Dependencies {
        var configuration = BudgetConfiguration()
        configuration.upstreams = [.init(kind: .rekor, rate: rate), .init(kind: .registry, rate: rate)]
        configuration.wait = .seconds(150)
        return Dependencies.test(configuration, fixture)
    }

    /// Over the logs of these hosts, the gates of which have no token left.
    private func services(
        _ hosts: String..., of daemon: Dependencies
    ) async throws -> SigningServices {
        var logs: [SigningServices.Log] = []
        for host in hosts {
            let client = try ForkingLog(host)
            logs.append(.init(name: host, client: client, gate: daemon.gate(.rekor, client.id)))
            try await daemon.gate(.rekor, client.id).admit()
        }
        return SigningServices(logs: logs, authorities: [])
    }

    @Test func `bulk is not claimed while as much of it stands before the log as gets its turn`() async throws {
        let daemon = slowDaemon()
        let signing = try await services("slow.example.com", of: daemon)
        let rules = [SigningLine.Setup.rule()]
        // one that takes no entries any more, and is only read
        _ = ReadingGate(daemon.gate(.rekor, "https://former.example.com"))
        #expect(!signing.areCrowdedByBulk(for: rules))
        let tasks = try await line(4, .bulk, before: daemon.gate(.rekor, "https://slow.example.com"))
        #expect(signing.areCrowdedByBulk(for: rules))
        #expect(!signing.areCrowdedByBulk(for: []))
        await end(tasks)

        try await fixture.push(samplePush(sampleDigest("batch"), lane: .bulk), samplePush(sampleDigest("push")))
        let claims = try await fixture.queue.claim(limit: 10, cursor: ClaimCursor(), bulk: false)
        #expect(claims.map { $0.target?.digest } == [sampleDigest("push")])
        #expect(try await fixture.claim().count == 1)
    }

    @Test func `of several logs one is crowded for all who need it, and none for others`() async throws {
        let daemon = slowDaemon()
        let one = try await services("a.example.com", "b.example.com", of: daemon)
        let both = SigningServices(logs: one.logs, entriesPerBundle: 2, authorities: [])
        var elsewhere = SigningLine.Setup.rule("elsewhere")
        elsewhere.log = "a.example.com"
        let rules = [SigningLine.Setup.rule(), elsewhere]
        var tasks = try await line(4, .bulk, before: daemon.gate(.rekor, "https://b.example.com"))
        #expect(both.areCrowdedByBulk(for: rules), "every bundle is entered there, too")
        #expect(!one.areCrowdedByBulk(for: rules))
        elsewhere.log = "b.example.com"
        #expect(one.areCrowdedByBulk(for: [elsewhere]))
        #expect(!one.areCrowdedByBulk(for: [SigningLine.Setup.rule(), elsewhere]), "one rule's log has room")
        tasks += try await line(4, .bulk, before: daemon.gate(.rekor, "https://a.example.com"))
        #expect(one.areCrowdedByBulk(for: [SigningLine.Setup.rule(), elsewhere]))
        await end(tasks)
    }

    @Test func `a push is claimed however much of a batch stands before its registry`() async throws {
        let daemon = slowDaemon()
        let registry = daemon.gate(.registry, "registry.example")
        try await registry.admit()
        var tasks = try await line(4, .bulk, before: registry)
        #expect(daemon.closedRegistries.isEmpty)
        #expect(daemon.registriesCrowdedByBulk == ["registry.example"])

        var elsewhere = samplePush(sampleDigest("elsewhere"), lane: .bulk)
        elsewhere.registry = "elsewhere.example"
        try await fixture.push(
            samplePush(sampleDigest("batch"), lane: .bulk), samplePush(sampleDigest("again"), lane: .default),
            samplePush(sampleDigest("push")), elsewhere)
        let claims = try await fixture.queue.claim(
            limit: 10, cursor: ClaimCursor(), closed: daemon.closedRegistries,
            closedToBulk: daemon.registriesCrowdedByBulk)
        #expect(
            Set(claims.map { $0.target?.digest })
                == [sampleDigest("push"), sampleDigest("again"), sampleDigest("elsewhere")])
        #expect(try await fixture.claim().map { $0.target?.digest } == [sampleDigest("batch")])

        tasks += try await line(2, .live, before: registry)
        #expect(daemon.closedRegistries == ["registry.example"], "these do not get their turn in time")
        await end(tasks)
    }

    @Test func `of the rate of all a daemon has its share for its own line`() async throws {
        let daemon = slowDaemon(rate: 0.02)
        let log = daemon.gate(.rekor, "https://slow.example.com")
        try await log.admit()
        let tasks = try await line(4, .bulk, before: log)
        #expect(!log.isCrowdedByBulk)
        try await fixture.anotherQueue().announce(host: "other", version: "1")
        await daemon.refresh()
        #expect(log.isCrowdedByBulk)
        await end(tasks)
    }

    @Test func `who stands in line until its time is over holds nothing`() async throws {
        let slots = RequestSlots(limit: 1)
        #expect(await slots.take())
        #expect(await slots.take(yielding: true, by: .now + .milliseconds(20)) == false)
        #expect(slots.queued == 0 && slots.taken == 1)
        slots.release()
        #expect(await slots.take(yielding: true, by: .now + .seconds(60)))
        #expect(slots.taken == 1)
    }
}
