package import FoundationEssentials

/// Whether a dependency is asked at all: closed, open for a while, or half-open, when one holder in all daemons may try.
/// Pure; the clock is the database's, and what is kept is one row for all.
package struct CircuitBreaker: Sendable, Equatable {
    /// How long it stays open.
    package struct Limits: Sendable, Equatable {
        /// The first time; doubled each time that the trial fails.
        package var open: Duration = .seconds(5)
        package var ceiling: Duration = .seconds(300)
        /// How long a trial may take before somebody else gets it: its holder may have died.
        package var probe: Duration = .seconds(15)

        package init() {}
    }

    package enum State: Sendable, Equatable {
        case closed
        case open(until: Date)
        case halfOpen
    }

    package struct Probe: Sendable, Equatable {
        package let holder: UUID
        package let until: Date
    }

    /// How often in a row it opened; 0 while it is closed.
    package private(set) var openings: Int
    private var openUntil: Date?
    package private(set) var probe: Probe?

    package init(openings: Int = 0, openUntil: Date? = nil, probe: Probe? = nil) {
        self.openings = openings
        self.openUntil = openUntil
        self.probe = probe
    }

    /// When it may be tried (again); nil while it is closed.
    package var retryAt: Date? { openUntil }

    package func state(at now: Date) -> State {
        guard let openUntil else { return .closed }
        return now < openUntil ? .open(until: openUntil) : .halfOpen
    }

    /// The dependency failed: opens, or stays open for twice as long after a trial. What others still had under way
    /// when it opened changes nothing.
    /// - Parameter random: uniform in 0..<1; shortens the time by up to a quarter, so that many breakers do not try together.
    /// - Returns: whether it opened.
    package mutating func trip(by holder: UUID, at now: Date, random: Double, _ limits: Limits) -> Bool {
        switch state(at: now) {
        case .closed: break
        case .open: return false
        case .halfOpen: if let probe, probe.holder != holder, now < probe.until { return false }
        }
        let span = min(limits.ceiling, limits.open * (1 << min(openings, 20))) * (1 - random / 4)
        openings += 1
        openUntil = now.addingTimeInterval(span / .seconds(1))
        probe = nil
        return true
    }

    /// Leave to try, for one holder at a time.
    package mutating func grantProbe(to holder: UUID, at now: Date, _ limits: Limits) -> Bool {
        guard state(at: now) == .halfOpen else { return false }
        if let probe, now < probe.until { return false }
        probe = Probe(holder: holder, until: now.addingTimeInterval(limits.probe / .seconds(1)))
        return true
    }

    /// Whoever had leave to try did not come to it: somebody else may, at once.
    /// - Returns: whether anything changed.
    package mutating func forgo(by holder: UUID) -> Bool {
        guard probe?.holder == holder else { return false }
        probe = nil
        return true
    }

    /// The trial succeeded: only that of whoever had leave counts.
    /// - Returns: whether it closed.
    package mutating func close(by holder: UUID) -> Bool {
        guard probe?.holder == holder else { return false }
        self = CircuitBreaker()
        return true
    }
}
