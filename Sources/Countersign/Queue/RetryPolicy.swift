/// When to try again. A pure function of the class of the failure, how often it happened, what the upstream asked for
/// and a random number, so that a table of cases tests all of it.
package struct RetryPolicy: Sendable, Equatable {
    /// Whose fault it was decides how long to wait and whether to end.
    package enum Class: String, Sendable, CaseIterable {
        /// Connect or TLS failure, 5xx: the upstream is down. Waits as long as it takes.
        case dependency
        /// 429, or 503 with Retry-After. Waits as long as it takes.
        case throttled
        /// Token file missing, expired, wrong audience; registry credentials refused. Waits until somebody mends it.
        case identity
        /// 404 on a manifest that was just pushed: a registry may notify before it can serve. Ends as `gone`.
        case eventual
        /// The subject is being written by another job.
        case contended
        /// An answer that will not change by itself, asked again a few times to be sure. Ends as `failed`.
        case permanent
    }

    package enum Decision: Sendable, Equatable {
        /// `counts`: whether the attempt counts towards the class's end.
        case retry(after: Duration, counts: Bool)
        /// The class's attempts are used up.
        case exhausted
    }

    /// Full jitter: a delay is drawn from 0 up to `base · 2^(failures − 1)`, at most `ceiling`.
    package struct Backoff: Sendable, Equatable {
        package var base: Duration
        package var ceiling: Duration
        /// `nil`: never given up.
        package var attempts: Int?

        package init(base: Duration, ceiling: Duration, attempts: Int? = nil) {
            self.base = base
            self.ceiling = ceiling
            self.attempts = attempts
        }
    }

    package var dependency = Backoff(base: .seconds(2), ceiling: .seconds(60))
    package var throttled = Backoff(base: .seconds(2), ceiling: .seconds(300))
    package var identity = Backoff(base: .seconds(5), ceiling: .seconds(60))
    package var permanent = Backoff(base: .seconds(5), ceiling: .seconds(60), attempts: 3)
    package var contended = Backoff(base: .milliseconds(100), ceiling: .seconds(2))
    /// Fixed, not jittered: the registry is one, and the push that notified us is already done.
    package var eventual: [Duration] = [.seconds(2), .seconds(5), .seconds(10), .seconds(30)]
    /// An upstream may not park a job for longer than this, before the spread.
    package var longestRetryAfter: Duration = .seconds(900)
    /// Those who were told the same moment come back over half as long again, or over this: a thousand at less than 70 a
    /// second.
    package var retryAfterSpread: Duration = .seconds(15)

    package init() {}

    /// - Parameters:
    ///   - attempt: attempts that count, this one included (``Claim/attempt``).
    ///   - failures: failures in a row before this one (``Claim/failures``).
    ///   - retryAfter: what the upstream asked for; a lower bound, with the jitter on top: all who were told the same
    ///     moment must not come back in it.
    ///   - random: uniform in 0..<1.
    package func decision(
        for failure: Class, attempt: Int, failures: Int, retryAfter: Duration? = nil, random: Double
    ) -> Decision {
        switch failure {
        case .dependency: .retry(after: delay(dependency, failures, retryAfter, random), counts: false)
        case .throttled: .retry(after: delay(throttled, failures, retryAfter, random), counts: false)
        case .identity: .retry(after: delay(identity, failures, retryAfter, random), counts: false)
        case .contended: .retry(after: delay(contended, failures, nil, random), counts: false)
        case .permanent:
            if let limit = permanent.attempts, attempt >= limit {
                .exhausted
            } else {
                .retry(after: delay(permanent, failures, retryAfter, random), counts: true)
            }
        case .eventual:
            if attempt > eventual.count {
                .exhausted
            } else {
                .retry(after: eventual[max(attempt, 1) - 1], counts: true)
            }
        }
    }

    private func delay(_ backoff: Backoff, _ failures: Int, _ retryAfter: Duration?, _ random: Double) -> Duration {
        // 2^20 base units are beyond every ceiling; the cap keeps the shift from overflowing
        let span = min(backoff.ceiling, backoff.base * (1 << min(max(failures, 0), 20)))
        guard let retryAfter else { return span * random }
        let asked = min(retryAfter, longestRetryAfter)
        return asked + max(span, min(asked / 2, retryAfterSpread)) * random
    }
}
