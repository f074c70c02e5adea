import FoundationEssentials
import Testing

@testable import Countersign

/// The staging protocol under every kind of accident, 10,000 seeds. One seed again, with its story:
/// `SIMULATION_SEED=1234 swift test --filter SimulationTests`; more of them: `SIMULATION_SEEDS=1000000`.
@Suite struct SimulationTests {
    private static let parts = 8

    private static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap(Int.init) }

    @Test(arguments: 0..<parts)
    func `whatever dies, stands still or loses its answer, no rule is broken and every target ends`(_ part: Int) {
        if let seed = Self.number("SIMULATION_SEED") {
            if part == 0 { Self.report(seed) }
            return
        }
        for seed in stride(from: part, to: Self.number("SIMULATION_SEEDS") ?? 10_000, by: Self.parts) {
            var simulation = Simulation(seed: seed)
            guard simulation.run() != nil else { continue }
            return Self.report(seed)
        }
    }

    /// A failing seed repeats exactly: its story is told by a second run.
    private static func report(_ seed: Int) {
        var simulation = Simulation(seed: seed, isTold: true)
        let violation = simulation.run()
        let story = (simulation.story ?? []).suffix(120).joined(separator: "\n")
        if let violation {
            Issue.record("seed \(seed): \(violation)\n\(story)")
        } else {
            print("seed \(seed) breaks no rule\n\(story)")
        }
    }

    /// A simulation that cannot fail proves nothing: each of these faults in the protocol must be found.
    @Test(arguments: Simulation.Flaw.allCases)
    func `a protocol with a flaw is caught`(_ flaw: Simulation.Flaw) throws {
        let caught = (0..<10_000).first { seed in
            var simulation = Simulation(seed: seed, flaw: flaw)
            return simulation.run() != nil
        }
        let seed = try #require(caught, "\(flaw) was not noticed")
        // and the same way again
        var (first, second) = (Simulation(seed: seed, flaw: flaw), Simulation(seed: seed, flaw: flaw))
        let (violation, again) = (first.run(), second.run())
        #expect(violation != nil && violation?.description == again?.description)
        print("\(flaw): seed \(seed): \(violation?.description ?? "")")
    }

    @Test func `a seed repeats exactly`() {
        for seed in 0..<20 {
            var (first, second) = (Simulation(seed: seed, isTold: true), Simulation(seed: seed, isTold: true))
            _ = (first.run(), second.run())
            #expect(first.story == second.story)
        }
    }

    /// What the seeds reach, so that a change of the schedule that makes them harmless is noticed.
    @Test func `the schedules reach what they are for`() {
        var (signed, abandoned, letters) = (0, 0, 0)
        var all = Simulation.Counts()
        for seed in 0..<2_000 {
            var simulation = Simulation(seed: seed)
            _ = simulation.run()
            signed += simulation.queue.targets.count { $0?.state == .signed }
            abandoned += simulation.journal.rows.count(where: \.isAbandoned)
            letters += simulation.queue.letters.count
            all += simulation.counts
        }
        print("2,000 seeds: \(signed) signed, \(abandoned) put aside, \(letters) dead letters, \(all)")
        #expect(signed > 2_000 && abandoned > 20 && letters > 20)
        #expect(all.zombies > 100 && all.waitsForTurn > 100 && all.lateEntries > 100)
        #expect(all.deaths > 1_000 && all.standstills > 1_000)
    }
}

extension Simulation.Counts {
    fileprivate static func += (sum: inout Self, more: Self) {
        sum.zombies += more.zombies
        sum.waitsForTurn += more.waitsForTurn
        sum.deaths += more.deaths
        sum.standstills += more.standstills
        sum.lateEntries += more.lateEntries
    }
}
