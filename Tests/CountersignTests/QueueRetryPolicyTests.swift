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

    @Test func `Retry-After is a lower bound that an upstream cannot stretch for ever`() {
        #expect(
            policy.decision(for: .throttled, attempt: 1, failures: 0, retryAfter: .seconds(30), random: 0.1)
                == .retry(after: .seconds(30), counts: false))
        #expect(
            policy.decision(for: .throttled, attempt: 1, failures: 0, retryAfter: .seconds(1_000_000), random: 0.1)
                == .retry(after: .seconds(900), counts: false))
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
