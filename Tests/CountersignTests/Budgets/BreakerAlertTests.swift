import FoundationEssentials
import Support
import Testing

@testable import Countersign

/// Whether the alert on an upstream that is down, as docs/operations.md has it, rings in time and ends. A breaker shows "open" only
/// between its trials, which take up to the upstream's timeout.
@Suite struct BreakerAlertTests {
    private static let expression = """
        max by (upstream) (countersign_breaker_state) > 0 and \
        max_over_time((max by (upstream) (countersign_breaker_state))[5m:15s]) == 2
        """
    /// From one scrape to the next, in seconds.
    private static let step = 15

    @Test func `it is the page's`() throws {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/operations.md", encoding: .utf8)
        #expect(page.contains("\n| an upstream is down | `\(Self.expression)` for 2 min | 7.14 |\n"))
    }

    @Test(arguments: [1, 30], [60, 300])
    func `it rings within four minutes, without a break, and ends with the first trial that succeeds`(
        trial: Int, ceiling: Int
    ) throws {
        for chance in [0, 0.5, 0.99] {
            for offset in 0..<Self.step {
                let figures = scrapes(outage: 600, trial: trial, ceiling: ceiling, chance: chance, from: offset)
                let rung = rings(figures)
                let (first, last) = (try #require(rung.first), try #require(rung.last))
                #expect(first <= 240 && last >= 585 && last <= 600 + ceiling + trial)
                #expect(rung.count == (last - first) / Self.step + 1, "without a break")
                #expect(figures.last == 0)
            }
        }
    }

    @Test func `a failure that is over with the first trial does not ring`() {
        #expect(rings(scrapes(outage: 5, trial: 1, ceiling: 300, chance: 0, from: 0)) == [])
    }

    @Test func `what nobody tries any more rings no longer than it was seen open`() {
        let figures = scrapes(outage: 600, trial: 1, ceiling: 300, chance: 0, from: 0) { $0 < 60 }
        #expect(figures.last == 1)
        #expect(rings(figures).allSatisfy { $0 <= 75 + 300 })
    }

    /// `countersign_breaker_state` at each scrape of 25 minutes: 0 closed, 1 half-open, 2 open.
    /// - Parameters:
    ///   - outage: how long the upstream is down, from when the breaker opens; in seconds, as all.
    ///   - trial: how long one takes.
    ///   - chance: of the breaker's times.
    ///   - isTried: whether at that second there is anything to ask for.
    private func scrapes(
        outage: Int, trial: Int, ceiling: Int, chance: Double, from offset: Int, isTried: (Int) -> Bool = { _ in true }
    ) -> [Int] {
        let (start, holder) = (Date(timeIntervalSince1970: 1_800_000_000), UUID())
        var limits = CircuitBreaker.Limits()
        limits.ceiling = .seconds(ceiling)
        var breaker = CircuitBreaker()
        _ = breaker.trip(by: holder, at: start, random: chance, limits)
        var trialEnds: Int?
        var figures: [Int] = []
        for second in 0..<1_500 {
            let now = start + Double(second)
            if let end = trialEnds, second >= end {
                trialEnds = nil
                if second < outage {
                    _ = breaker.trip(by: holder, at: now, random: chance, limits)
                } else {
                    _ = breaker.close(by: holder)
                }
            } else if trialEnds == nil, isTried(second), breaker.grantProbe(to: holder, at: now, limits) {
                trialEnds = second + trial
            }
            guard second % Self.step == offset else { continue }
            switch breaker.state(at: now) {
            case .closed: figures.append(0)
            case .halfOpen: figures.append(1)
            case .open: figures.append(2)
            }
        }
        return figures
    }

    /// The seconds at which the alert rings: its expression held for two minutes.
    private func rings(_ figures: [Int]) -> [Int] {
        let (window, patience) = (300 / Self.step, 120 / Self.step)
        func holds(_ place: Int) -> Bool {
            figures[place] > 0 && figures[max(0, place - window)...place].max() == 2
        }
        return figures.indices.filter { $0 >= patience && (($0 - patience)...$0).allSatisfy(holds) }
            .map { $0 * Self.step }
    }
}
