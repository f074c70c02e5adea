package import Curl
import Synchronization

/// How a use ended, and what all daemons have to be told of it.
extension DependencyGate {
    /// Where no rate is known, one too many is taken for that much a second at least.
    private static let leastObserved = 10.0

    package func leave(_ end: HTTPRequestEnd, _ pass: HTTPPass) {
        slots.release(yielding: pass.isYielding)
        WorkerHeartbeat.ofAttempt?.advanced()
        let verdict = DependencyVerdict(end)
        note(verdict)
        // a request that ended by our own doing was no trial; what another one tries is not its to give up
        guard verdict == .neutral, let trial = pass.number else { return }
        Task { await forgo(trial) }
    }

    /// Takes note of how a use ended.
    func note(_ verdict: DependencyVerdict) {
        guard verdict != .neutral else { return }
        let now = ContinuousClock.now
        let (change, observed) = state.withLock { state -> (Change?, Double) in
            // what little was asked of it says nothing of what it can bear
            let observed = max(state.window.rate(at: now), Self.leastObserved)
            let change = state.note(verdict, at: now, settings)
            if change != nil || verdict.pause != nil || verdict.isTooMuch { state.writes += 1 }
            return (change, observed)
        }
        guard change != nil || verdict.pause != nil || verdict.isTooMuch else { return }
        Task { await write(change, verdict, observed: observed) }
    }

    /// Tells all daemons, and those who waited.
    private func write(_ change: Change?, _ verdict: DependencyVerdict, observed: Double) async {
        let (daemon, settings, random) = (board.daemon, settings, Double.random(in: 0..<1))
        var isWritten = false
        defer { state.withLock { $0.ended(isWritten: isWritten) } }
        do {
            let written = try await board.ledger.change(dependency) { record, now -> Bool in
                if let code = verdict.code { record.failure = .init(code: code, at: now) }
                if verdict.isTooMuch {
                    record.bucket.throttled(
                        observed: observed, retryAfter: verdict.pause, at: now, settings.bucket)
                } else if let pause = verdict.pause {
                    record.bucket.pause(for: pause, at: now, settings.bucket)
                }
                let isChanged =
                    switch change {
                    case .trip: record.breaker.trip(by: daemon, at: now, random: random, settings.breaker)
                    case .close: record.breaker.close(by: daemon)
                    case nil: false
                    }
                if isChanged { record.changedAt = now }
                return isChanged
            }
            isWritten = true
            adopt(written.record, readAt: written.now, isWriter: true)
            guard written.value else { return }
            switch change {
            case .trip(let code): board.opened(dependency, code, written.record, at: written.now)
            case .close: await board.closed(dependency)
            case nil: break
            }
        } catch {
            board.couldNotWrite(dependency, error)
        }
    }
}
