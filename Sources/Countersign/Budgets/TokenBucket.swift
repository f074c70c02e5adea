package import FoundationEssentials

/// How many requests a second a dependency gets from all daemons together: what the configuration says, halved when the
/// dependency says that it is too much, and rising again by a twentieth for each quiet while. Pure; the clock is the
/// database's, and what is kept is one row for all.
package struct TokenBucket: Sendable, Equatable {
    package struct Limits: Sendable, Equatable {
        /// Requests a second; nil: as many as there are, until the dependency says otherwise.
        package var rate: Double?
        /// The quiet while.
        package var recovery: Duration = .seconds(60)
        /// The longest that a Retry-After is obeyed.
        package var longestPause: Duration = .seconds(900)

        package init(rate: Double? = nil) { self.rate = rate }
    }

    /// A rate that was lowered: what it was lowered to, from what, and when.
    package struct Slowed: Sendable, Equatable {
        package let rate: Double
        package let from: Double
        package let at: Date
    }

    package enum Grant: Sendable, Equatable {
        case tokens(Int)
        /// None now; it is of no use to ask again before.
        case none(wait: Duration)
    }

    /// Rates that can be counted with, requests a second: beyond them, in a row or a configuration, nobody means it.
    static let rates = 1e-4...1e6

    /// A rate is never lowered beyond this, a request in ten seconds: below it nothing would ever be learned.
    private static let least = 0.1

    package private(set) var tokens: Double
    package private(set) var refilledAt: Date
    package private(set) var slowed: Slowed?
    package private(set) var pausedUntil: Date?

    package init(tokens: Double = 1, refilledAt: Date, slowed: Slowed? = nil, pausedUntil: Date? = nil) {
        self.tokens = tokens
        self.refilledAt = refilledAt
        self.slowed = slowed
        self.pausedUntil = pausedUntil
    }

    /// The rate of that moment; nil: unlimited.
    package func rate(at now: Date, _ limits: Limits) -> Double? {
        guard let slowed else { return limits.rate }
        let quiet = (max(0, now.timeIntervalSince(slowed.at)) / (limits.recovery / .seconds(1))).rounded(.down)
        let ceiling = limits.rate ?? slowed.from
        let rate = slowed.rate + ceiling * 0.05 * quiet
        return rate < ceiling ? rate : limits.rate
    }

    /// Up to `asked` tokens, whole ones. All daemons together never get more than a second's worth and what flows in.
    package mutating func take(_ asked: Int, at now: Date, _ limits: Limits) -> Grant {
        if let pausedUntil, now < pausedUntil {
            return .none(wait: .seconds(pausedUntil.timeIntervalSince(now)))
        }
        guard let rate = rate(at: now, limits) else { return .tokens(asked) }
        refill(at: now, limits)
        let granted = min(asked, Int(tokens))
        guard granted > 0 else {
            // what is owed flows in first
            let owed = max(0, refilledAt.timeIntervalSince(now))
            return .none(wait: .seconds(owed + (1 - tokens) / rate))
        }
        tokens -= Double(granted)
        return .tokens(granted)
    }

    /// Takes what is used beyond a grant: nobody gets any before it has flowed in again.
    package mutating func owe(_ count: Int, at now: Date, _ limits: Limits) {
        guard count > 0, let rate = rate(at: now, limits) else { return }
        refill(at: now, limits)
        tokens -= Double(count)
        guard tokens < 0 else { return }
        refilledAt.addTimeInterval(-tokens / rate)
        tokens = 0
    }

    /// The dependency said that it is too much. However many are told at the same moment, the rate halves once.
    /// - Parameters:
    ///   - observed: requests a second that it was asked for, where no rate is known.
    ///   - retryAfter: nothing is sent before.
    package mutating func throttled(
        observed: Double, retryAfter: Duration?, at now: Date, _ limits: Limits
    ) {
        let isKnown =
            pausedUntil.map { now < $0 } ?? false || slowed.map { now.timeIntervalSince($0.at) < 1 } ?? false
        if !isKnown {
            refill(at: now, limits)
            let before = rate(at: now, limits) ?? max(observed, Self.least)
            slowed = Slowed(
                rate: max(before / 2, Self.least), from: limits.rate ?? max(before, slowed?.from ?? 0), at: now)
        }
        tokens = 0
        refilledAt = max(refilledAt, now)
        if let retryAfter { pause(for: retryAfter, at: now, limits) }
    }

    /// Nothing is sent until then; a longer pause that is known stands.
    package mutating func pause(for time: Duration, at now: Date, _ limits: Limits) {
        let until = now.addingTimeInterval(min(time, limits.longestPause) / .seconds(1))
        pausedUntil = max(pausedUntil ?? until, until)
        // what flowed in during a pause would come out of it as a burst
        tokens = 0
        refilledAt = max(refilledAt, until)
    }

    /// At the rate of the last refill: until the next one it only rose.
    private mutating func refill(at now: Date, _ limits: Limits) {
        guard let rate = rate(at: refilledAt, limits) ?? limits.rate else {
            refilledAt = max(refilledAt, now)
            return
        }
        let passed = max(0, now.timeIntervalSince(refilledAt))
        tokens = min(max(1, rate), tokens + passed * rate)
        refilledAt = max(refilledAt, now)
    }
}
