import Testing

@testable import Countersign

@Suite struct QueueRetryPolicyTests {
    let policy = RetryPolicy()

    @Test(arguments: [
        (0, 0.5, Duration.seconds(1)), (1, 0.5, .seconds(2)), (2, 0.5, .seconds(4)), (3, 1, .seconds(16)),
        (10, 1, .seconds(60)), (1_000, 1, .seconds(60)), (5, 0, .zero),
    ])
    func `an upstream that is down is asked after full jitter up to the ceiling, for as long as it takes`(
        failures: Int, random: Double, expected: Duration
    ) {
        let decision = policy.decision(for: .dependency, attempt: 999, failures: failures, random: random)
        #expect(decision == .retry(after: expected, counts: false))
    }

    @Test(arguments: [
        (0, 30, 0, Duration.seconds(30)), (0, 30, 0.5, .seconds(37.5)), (4, 30, 0.5, .seconds(46)),
        (0, 1, 0.5, .seconds(2)), (0, 0, 0.5, .seconds(1)), (0, 1_000_000, 0, .seconds(900)),
        (0, 1_000_000, 0.5, .seconds(907.5)),
    ])
    func `Retry-After is a lower bound with a spread on top, and an upstream cannot stretch it for ever`(
        failures: Int, asked: Int, random: Double, expected: Duration
    ) {
        let decision = policy.decision(
            for: .throttled, attempt: 1, failures: failures, retryAfter: .seconds(asked), random: random)
        #expect(decision == .retry(after: expected, counts: false))
    }

    @Test func `a thousand jobs that were told the same moment do not come back in one second`() {
        let delays = (0..<1_000).map { index in
            policy.decision(
                for: .throttled, attempt: 1, failures: 0, retryAfter: .seconds(30), random: Double(index) / 1_000)
        }
        let seconds = delays.map { delay in
            if case .retry(let after, _) = delay { after.components.seconds } else { Int64(-1) }
        }
        let busiest = Dictionary(grouping: seconds) { $0 }.values.map(\.count).max()
        #expect(busiest.map { $0 <= 70 } == true)
    }

    @Test(arguments: [(1, 2), (2, 5), (3, 10), (4, 30)])
    func `a manifest that is not there yet is asked for at fixed times`(attempt: Int, seconds: Int) {
        #expect(
            policy.decision(for: .eventual, attempt: attempt, failures: attempt - 1, random: 0.9)
                == .retry(after: .seconds(seconds), counts: true))
    }

    @Test func `only eventual and permanent failures come to an end`() {
        for failure in RetryPolicy.Class.allCases {
            let decision = policy.decision(for: failure, attempt: 100, failures: 100, random: 0.5)
            #expect((decision == .exhausted) == (failure == .eventual || failure == .permanent), "\(failure)")
        }
        #expect(policy.decision(for: .permanent, attempt: 2, failures: 1, random: 0) != .exhausted)
        #expect(policy.decision(for: .permanent, attempt: 3, failures: 2, random: 0) == .exhausted)
    }
}
