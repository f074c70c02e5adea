import Curl
import Synchronization

/// Why a use is not let in now, and when it is worth asking again.
extension DependencyGate {
    func open(for time: Duration) -> Withheld {
        board.withheld(dependency, Self.openCode)
        return refusal(for: time)
    }

    /// What those are told who come while the breaker is open.
    private func refusal(for time: Duration) -> Withheld {
        let failure = state.withLock(\.view.lastFailure) ?? "not answering"
        return Withheld(
            code: Self.openCode, upstream: dependency.description,
            observed: "\(dependency) is taken for down (\(failure)); it is tried again in \(time.inSeconds) s",
            after: max(time, .zero))
    }

    func paused(for time: Duration) -> Withheld {
        board.withheld(dependency, "budget.paused")
        return refusal(whilePaused: time)
    }

    private func refusal(whilePaused time: Duration) -> Withheld {
        Withheld(
            code: "budget.paused", upstream: dependency.description,
            observed: "\(dependency) asks to wait, for \(time.inSeconds) s more", after: time)
    }

    /// Why nothing is asked of it now; nil: it may be asked.
    var refusalNow: Withheld? {
        let now = ContinuousClock.now
        let (phase, pause) = state.withLock { ($0.view.phase(at: now), $0.view.pause(at: now)) }
        if case .open(let until) = phase { return refusal(for: max(until - now, pause ?? .zero)) }
        return pause.map(refusal(whilePaused:))
    }

    /// Whether more requests stand in line already than get their turn in time. Those of the bulk lane stand behind all others.
    var isCrowded: Bool { isTooMuch(turn.queued - turn.queuedYielding) }

    /// The same of those of the bulk lane alone.
    var isCrowdedByBulk: Bool { isTooMuch(turn.queuedYielding) }

    private func isTooMuch(_ queued: Int) -> Bool {
        shareOfRate.map { Double(queued) > max(1, $0 * (settings.wait / .seconds(1))) } ?? false
    }

    /// What of the rate comes to the line of this daemon, while each of them has one.
    private var shareOfRate: Double? { rate.map { $0 / Double(board.livingDaemons) } }

    /// Those who stand in line before it go first.
    func exhausted(_ wait: Duration) -> Withheld {
        let before = turn.queued - (Lane.ofAttempt == .bulk ? 0 : turn.queuedYielding)
        let wait = wait + .seconds(Double(max(0, before)) / max(shareOfRate ?? 1, 0.1))
        let rate = rate.map { " of \(($0 * 10).rounded() / 10) a second" } ?? ""
        board.withheld(dependency, Self.exhaustedCode)
        return Withheld(
            code: Self.exhaustedCode, upstream: dependency.description,
            observed: "the budget\(rate) of \(dependency) is used up", after: wait)
    }
}

extension Duration {
    /// Seconds with one decimal, for people.
    fileprivate var inSeconds: Double { (self / .milliseconds(100)).rounded() / 10 }
}
