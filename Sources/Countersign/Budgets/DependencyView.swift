import FoundationEssentials

/// What one daemon believes of a dependency between two looks at its row: times are on the monotonic clock, so that a
/// wrong wall clock neither opens nor closes anything.
struct DependencyView: Sendable {
    enum Phase: Sendable, Equatable {
        case closed
        case open(ContinuousClock.Instant)
        case halfOpen
    }

    /// When it may be tried; nil: closed.
    private(set) var retryAt: ContinuousClock.Instant?
    private(set) var pausedUntil: ContinuousClock.Instant?
    /// Requests a second; nil: unlimited.
    private(set) var rate: Double?
    private(set) var lastFailure: String?

    init(rate: Double?) { self.rate = rate }

    /// - Parameter now: when the row was asked for, on this machine; a slow answer then only lets us ask later.
    init(_ record: DependencyRecord, readAt time: Date, _ limits: TokenBucket.Limits, now: ContinuousClock.Instant) {
        func instant(_ date: Date) -> ContinuousClock.Instant { now + .seconds(date.timeIntervalSince(time)) }
        retryAt = record.breaker.retryAt.map(instant)
        pausedUntil = record.bucket.pausedUntil.map(instant)
        rate = record.bucket.rate(at: time, limits)
        lastFailure = record.failure?.code
    }

    func phase(at now: ContinuousClock.Instant) -> Phase {
        guard let retryAt else { return .closed }
        return now < retryAt ? .open(retryAt) : .halfOpen
    }

    func pause(at now: ContinuousClock.Instant) -> Duration? {
        pausedUntil.flatMap { now < $0 ? $0 - now : nil }
    }

    /// At once and here, before the row says it to all.
    mutating func opens(until instant: ContinuousClock.Instant, because failure: String?) {
        retryAt = max(retryAt ?? instant, instant)
        lastFailure = failure
    }

    mutating func pauses(until instant: ContinuousClock.Instant) {
        pausedUntil = max(pausedUntil ?? instant, instant)
    }

    mutating func closes() { retryAt = nil }

    /// What another view holds back at that moment is held back by this one, too.
    mutating func holdsBack(as other: DependencyView, at now: ContinuousClock.Instant) {
        if let until = other.pausedUntil, now < until { pauses(until: until) }
        if let until = other.retryAt, now < until { opens(until: until, because: other.lastFailure ?? lastFailure) }
    }
}
