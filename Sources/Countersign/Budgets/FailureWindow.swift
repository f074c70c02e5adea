/// What one daemon saw of a dependency lately, and whether that is enough to stop asking it. Pure; the clock is given.
struct FailureWindow: Sendable {
    /// When it is enough.
    struct Limits: Sendable, Equatable {
        /// Failures in a row.
        var inARow = 5
        /// Or of at least so many calls …
        var calls = 20
        /// … within this time …
        var span: Duration = .seconds(30)
        /// … this share, 0 to 1.
        var share = 0.5
    }

    /// Calls of one second: a busy dependency would else cost an entry for every call.
    private struct Slice {
        let start: ContinuousClock.Instant
        var calls = 0
        var failures = 0
    }

    private var slices: [Slice] = []
    private var inARow = 0

    /// Notes the end of a call.
    /// - Returns: whether the dependency is to be taken for down.
    mutating func note(isFailure: Bool, at now: ContinuousClock.Instant, _ limits: Limits) -> Bool {
        slices.removeAll { now - $0.start > limits.span }
        if slices.last.map({ now - $0.start >= .seconds(1) }) ?? true { slices.append(Slice(start: now)) }
        slices[slices.count - 1].calls += 1
        guard isFailure else {
            inARow = 0
            return false
        }
        slices[slices.count - 1].failures += 1
        inARow += 1
        let calls = slices.reduce(0) { $0 + $1.calls }
        let failures = slices.reduce(0) { $0 + $1.failures }
        return inARow >= limits.inARow || (calls >= limits.calls && Double(failures) >= Double(calls) * limits.share)
    }

    /// Calls a second over the last ten: what a dependency was asked for when it said that this is too much.
    func rate(at now: ContinuousClock.Instant) -> Double {
        let recent = slices.filter { now - $0.start <= .seconds(10) }
        guard let first = recent.first else { return 0 }
        return Double(recent.reduce(0) { $0 + $1.calls }) / max(1, (now - first.start) / .seconds(1))
    }

    /// After the dependency has come back nothing of before counts.
    mutating func forget() {
        slices = []
        inARow = 0
    }
}
