import Synchronization

/// The one use that is let through a breaker that is half-open, among those of all daemons.
extension DependencyGate {
    /// - Returns: leave for the trial, or for an ordinary use if another daemon's trial has closed the breaker meanwhile.
    func probe() async -> Admission? {
        let (holder, limits) = (board.daemon, settings.breaker)
        do {
            let granted = try await board.ledger.change(dependency) { record, now in
                record.breaker.grantProbe(to: holder, at: now, limits)
            }
            adopt(granted.record, readAt: granted.now)
            guard granted.value else {
                let isClosed = granted.record.breaker.state(at: granted.now) == .closed
                return isClosed ? Admission(gate: self, trial: nil) : nil
            }
            let number = state.withLock { state in
                state.trials += 1
                state.trial = Trial(number: state.trials, until: .now + limits.probe)
                return state.trials
            }
            return Admission(gate: self, trial: number)
        } catch {
            board.couldNotWrite(dependency, error)
            return nil
        }
    }

    /// Gives up a trial that was not made; one that has ended meanwhile stays as it ended.
    func forgo(_ trial: Int) async {
        let isHeld = state.withLock { state in
            guard state.trial?.number == trial else { return false }
            state.trial = nil
            return true
        }
        guard isHeld else { return }
        let holder = board.daemon
        do {
            _ = try await board.ledger.change(dependency) { record, _ in record.breaker.forgo(by: holder) }
        } catch {
            // after `breaker.probe` somebody else gets it all the same
            board.couldNotWrite(dependency, error)
        }
    }
}
