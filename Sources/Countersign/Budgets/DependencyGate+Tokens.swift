import Curl
import FoundationEssentials
import Synchronization

/// What a use costs of a rate: tokens, which a daemon takes from the row in handfuls.
extension DependencyGate {
    private enum Token { case taken, none, paused(Duration) }

    /// A token of this daemon's handful, or of the next one. Bulk stands behind all others in the line for it, and takes none
    /// that somebody waits for.
    /// - Parameter deadline: until when it stands in line. Whose turn it is by then waits for its token, for `wait` at most.
    func takeToken(by deadline: ContinuousClock.Instant) async throws(Withheld) {
        let isYielding = Lane.ofAttempt == .bulk
        if !isYielding || turn.queued == 0, try await hasToken(by: deadline) { return }
        guard await turn.take(yielding: isYielding, by: deadline) else {
            // others stood before it for all of its time
            throw exhausted(Task.isCancelled ? .zero : settings.wait)
        }
        defer { turn.release(yielding: isYielding) }
        let last = max(deadline, ContinuousClock.now + settings.wait)
        repeat {
            if try await hasToken(by: last) { return }
            guard let wait = await refill() else { continue }
            guard ContinuousClock.now + wait <= last, !Task.isCancelled else { throw exhausted(wait) }
            try? await Task.sleep(for: wait)
        } while ContinuousClock.now <= last
        throw exhausted(settings.wait)
    }

    /// Takes what comes together with a use that has its token: from this daemon's handful, else on credit. What must be had
    /// together can be had so, however low the rate is, and the rate is kept by those who come after.
    func charge(_ uses: Int) async {
        let missing = state.withLock { state -> Int in
            guard uses > 0, state.view.rate != nil else { return 0 }
            let inHand = ContinuousClock.now < state.tokensUntil ? min(state.tokens, uses) : 0
            state.tokens -= inHand
            return uses - inHand
        }
        guard missing > 0 else { return }
        let limits = settings.bucket
        do {
            let owed = try await board.ledger.change(dependency) { record, now in
                record.bucket.owe(missing, at: now, limits)
            }
            adopt(owed.record, readAt: owed.now)
        } catch {
            board.couldNotWrite(dependency, error)
        }
    }

    /// Whether the request may go on: it got a token, or needs none.
    private func hasToken(by deadline: ContinuousClock.Instant) async throws(Withheld) -> Bool {
        switch token() {
        case .taken: return true
        case .none: return false
        case .paused(let pause):
            try await waitOut(pause, by: deadline)
            return false
        }
    }

    private func token() -> Token {
        let now = ContinuousClock.now
        return state.withLock { state in
            if let pause = state.view.pause(at: now) { return .paused(pause) }
            guard state.view.rate != nil else { return .taken }
            guard state.tokens > 0, now < state.tokensUntil else { return .none }
            state.tokens -= 1
            return .taken
        }
    }

    /// The next handful: a tenth of a second's worth. Kept for a second only, so that an idle daemon hoards nothing.
    /// - Returns: nil if there is one, else how long there will be none.
    private func refill() async -> Duration? {
        let limits = settings.bucket
        let asked = max(1, Int(state.withLock { $0.view.rate ?? 1 } / 10))
        do {
            let taken = try await board.ledger.change(dependency) { record, now in
                record.bucket.take(asked, at: now, limits)
            }
            adopt(taken.record, readAt: taken.now)
            guard case .tokens(let count) = taken.value else {
                guard case .none(let wait) = taken.value else { return nil }
                return wait
            }
            state.withLock { state in
                state.tokens = count
                state.tokensUntil = .now + .seconds(1)
            }
            return nil
        } catch {
            board.couldNotWrite(dependency, error)
            return settings.wait
        }
    }
}
