import Curl
import FoundationEssentials
import Postgres
import Support
import Testing

@testable import Countersign

/// What each of several daemons may have under way, and that all together have no more than the limit.
@Suite struct ConcurrencyShareTests {
    private static func shares(_ limit: Int, among daemons: Int) -> [ConcurrencyShare] {
        (0..<daemons).map { ConcurrencyShare(limit: limit, daemons: daemons, rank: $0, turn: .seconds(10)) }
    }

    @Test(arguments: [(4, 3, [2, 1, 1]), (3, 3, [1, 1, 1]), (5, 2, [3, 2]), (64, 1, [64]), (7, 4, [2, 2, 2, 1])])
    func `what is left over goes to the first, and all of the limit is used`(limit: Int, daemons: Int, counts: [Int]) {
        for time in [0.0, 9, 12_345] {
            let places = Self.shares(limit, among: daemons).map { $0.places(at: Date(timeIntervalSince1970: time)) }
            #expect(places.map(\.count) == counts)
            #expect(places.allSatisfy { $0.lasting == nil })
        }
    }

    @Test(arguments: [(1, 3), (2, 3), (1, 2), (3, 10)])
    func `fewer places than daemons go round, and nobody starves`(limit: Int, daemons: Int) {
        let shares = Self.shares(limit, among: daemons)
        var had = Array(repeating: 0, count: daemons)
        for second in 0..<(10 * daemons) {
            let places = shares.map { $0.places(at: Date(timeIntervalSince1970: 1_800_000_000 + Double(second))) }
            // the end of a turn is nobody's: what is under way ends
            #expect(places.map(\.count).reduce(0, +) == (second % 10 < 8 ? limit : 0))
            for (daemon, places) in places.enumerated() where places.count > 0 {
                had[daemon] += 1
                #expect(places.lasting.map { abs($0 / .seconds(1) - Double(8 - second % 10)) < 0.01 } == true)
            }
        }
        #expect(had.allSatisfy { $0 == 8 * limit })
    }

    /// The first one since 1970 is not over.
    private static let endless: Duration = .seconds(4_000_000_000)

    /// Daemons that stand in the table, each with its gate to one log.
    private struct World {
        let fixture: QueueFixture
        let queues: [JobQueue]
        let daemons: [Dependencies]
        let gates: [DependencyGate]

        init(_ count: Int, limit: Int, turn: Duration = .seconds(10)) async throws {
            let fixture = try await QueueFixture()
            self.fixture = fixture
            var configuration = BudgetConfiguration()
            configuration.upstreams = [.init(kind: .registry, concurrency: limit)]
            queues = (0..<count).map { _ in fixture.anotherQueue() }
            for queue in queues { try await queue.announce(host: "h", version: "1") }
            daemons = queues.map { Dependencies.test(configuration, fixture, queue: $0, turn: turn) }
            gates = daemons.map { $0.gate(.registry, "registry.example") }
            try await look()
        }

        func look() async throws {
            for daemon in daemons { await daemon.refresh() }
        }

        /// It is not heard of again, and the others notice.
        func die(_ dead: Int) async throws {
            let id = queues[dead].worker
            try await fixture.pool.execute(
                "UPDATE countersign.worker SET seen_at = now() - interval '1 minute' WHERE id = \(id)::uuid")
            for (place, daemon) in daemons.enumerated() where place != dead { await daemon.refresh() }
        }

        var underWay: [Int] { gates.map(\.underWay) }
    }

    /// So many requests at each gate at once; whoever gets in stays, until it is cancelled.
    private func requests(_ count: Int, at world: World) -> [Task<Void, any Error>] {
        world.gates.flatMap { gate in
            (0..<count).map { _ in
                Task {
                    let pass = try await gate.enter()
                    try? await Task.sleep(for: .seconds(3_600))
                    gate.leave(.answered(status: 200, retryAfter: nil), pass)
                }
            }
        }
    }

    private func end(_ tasks: [Task<Void, any Error>]) async {
        for task in tasks { task.cancel() }
        for task in tasks { _ = try? await task.value }
    }

    @Test func `three daemons with a limit of four have four under way, and a dead one leaves its place to the others`()
        async throws
    {
        let world = try await World(3, limit: 4)
        let tasks = requests(5, at: world)
        try await eventually("all stand there") {
            zip(world.gates, world.underWay).allSatisfy { $0.standingInLine + $1 == 5 }
        }
        #expect(world.underWay.sorted() == [1, 1, 2])

        // the one with two is not heard of again
        let dead = try #require(world.underWay.firstIndex(of: 2))
        try await world.die(dead)
        let alive = world.gates.indices.filter { $0 != dead }
        try await eventually("two each") { alive.map { world.underWay[$0] } == [2, 2] }
        await end(tasks)
    }

    @Test func `three daemons with a limit of one have one under way, and its death gives the place to another`()
        async throws
    {
        let world = try await World(3, limit: 1, turn: Self.endless)
        let tasks = requests(2, at: world)
        try await eventually("all stand there") {
            zip(world.gates, world.underWay).allSatisfy { $0.standingInLine + $1 == 2 }
        }
        #expect(world.underWay.sorted() == [0, 0, 1])
        let dead = try #require(world.underWay.firstIndex(of: 1))
        try await world.die(dead)
        let alive = world.gates.indices.filter { $0 != dead }
        try await eventually("another has it") { alive.map { world.underWay[$0] }.sorted() == [0, 1] }
        await end(tasks)
    }

    @Test func `a request that is held waits for the daemon's turn, and its registry is not claimed meanwhile`()
        async throws
    {
        let world = try await World(2, limit: 1, turn: .seconds(2))
        try await eventually("one has the place") {
            try await world.look()
            return world.gates.contains(where: \.hasPlace)
        }
        let waiting = try #require(world.gates.firstIndex { !$0.hasPlace })
        #expect(world.daemons[waiting].closedRegistries == ["registry.example"])
        let request = Task { try await world.gates[waiting].enter() }
        let asked = ContinuousClock.now
        try await eventually("its turn comes") {
            try await world.look()
            return world.gates[waiting].underWay == 1
        }
        #expect(ContinuousClock.now - asked < .seconds(30))
        _ = try await request.value

        // the other one dies: what is left has all of it, always
        try await world.die(1 - waiting)
        for _ in 0..<10 {
            await world.daemons[waiting].refresh()
            #expect(world.gates[waiting].hasPlace)
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    @Test func `a trial is for whoever can make it`() async throws {
        let world = try await World(2, limit: 1, turn: Self.endless)
        let place = try #require(world.gates.indices.first { world.gates[$0].hasPlace })
        for _ in 0..<5 { world.gates[place].note(.failed("http.503")) }
        try await eventually("it is written") {
            try await world.fixture.number("SELECT coalesce(sum(openings), 0) FROM countersign.upstream") == 1
        }
        try await world.fixture.pool.execute("UPDATE countersign.upstream SET open_until = now() WHERE openings > 0")
        await #expect(throws: Withheld.self) { try await world.gates[1 - place].admit() }
        #expect(try await world.gates[place].admit().trial != nil)
    }
}
