/// How many requests of the bulk lane may be under way at one registry, by how late it tells of pushes.
///
/// A registry that is busy answering us tells of pushes late: with 30 requests under way, docker-registry 2.8 on two busy
/// cores sent 8 notifications a second while 40 came to be, ours among them, and a live push was heard of after minutes. With
/// two under way it was heard of at once, for a sixth less of the batch. How late is what its notifications say themselves:
/// so bulk steps back while they lag, and comes forward again when they do not.
///
/// Late is measured from the least delay that was seen, not from zero: clocks differ. A second of that is forgotten in each
/// minute, so that a clock that was set does not hold bulk back for ever; of the first delay not more than five seconds are
/// taken for the clock's (it may be a daemon's first in the midst of a backlog); and a time to come is now.
struct BulkYield: Sendable {
    /// Requests at once; nil: as many as there are.
    private(set) var limit: Int?
    private var least: (delay: Duration, at: ContinuousClock.Instant)?
    private var changedAt: ContinuousClock.Instant?
    private var lateAt: ContinuousClock.Instant?

    /// From here on bulk steps back.
    static let late: Duration = .milliseconds(500)
    /// Below, it comes forward.
    static let prompt: Duration = .milliseconds(200)
    /// How often it steps back at most, and comes forward.
    private static let (back, forward): (Duration, Duration) = (.milliseconds(500), .seconds(5))
    /// What two clocks differ by at most, as long as nothing is known.
    private static let difference: Duration = .seconds(5)
    /// What it comes forward to before it is free again.
    static let free = 32

    /// A notification was taken.
    /// - Parameters:
    ///   - delay: since the time that it bears.
    ///   - underWay: requests at the registry now.
    mutating func heard(after delay: Duration, underWay: Int, at now: ContinuousClock.Instant) {
        let delay = max(.zero, delay)
        let known = least.map { $0.delay + ($0.at.duration(to: now)) / 60 }
        let clock = min(delay, known ?? Self.difference)
        if clock == delay || known == nil { least = (clock, now) }
        let late = delay - clock
        if late > Self.late {
            lateAt = now
            // one that has nothing to do for us is late for other reasons
            guard limit != nil || underWay > 1, hasPassed(Self.back, at: now) else { return }
            limit = max(1, (limit ?? min(underWay, Self.free)) / 2)
            changedAt = now
        } else if late < Self.prompt {
            forward(at: now)
        }
    }

    /// Called each second: where nothing was late for a while, it comes forward without being told.
    mutating func ease(at now: ContinuousClock.Instant) {
        if lateAt.map({ $0.duration(to: now) > Self.forward }) ?? true { forward(at: now) }
    }

    private mutating func forward(at now: ContinuousClock.Instant) {
        guard let limit, hasPassed(Self.forward, at: now) else { return }
        self.limit = limit + 1 < Self.free ? limit + 1 : nil
        changedAt = now
    }

    private func hasPassed(_ time: Duration, at now: ContinuousClock.Instant) -> Bool {
        changedAt.map { $0.duration(to: now) >= time } ?? true
    }
}
