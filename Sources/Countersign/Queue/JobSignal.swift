import Synchronization

/// "There may be work": wakes whoever waits, at once. A signal that finds nobody waiting is remembered for the next.
///
/// Only ever a hint. Whoever waits also polls, because a notification can be lost (a reconnect, a pooler, a failover).
package final class JobSignal: Sendable {
    private enum Waiter {
        /// Announced, not suspended yet.
        case arriving
        /// Told to go on before it was suspended.
        case released
        case suspended(CheckedContinuation<Void, Never>)
    }

    private struct State {
        var isRaised = false
        var nextID = 0
        var waiters: [Int: Waiter] = [:]
    }
    private let state = Mutex(State())

    package init() {}

    var waitingCount: Int {
        state.withLock { state in
            state.waiters.values.count { if case .suspended = $0 { true } else { false } }
        }
    }

    package func raise() {
        let waiters = state.withLock { state in
            state.isRaised = state.waiters.isEmpty
            return state.waiters.keys
        }
        for id in waiters { release(id) }
    }

    /// Returns at a signal, after `limit`, or when the task is cancelled, whichever comes first.
    package func wait(upTo limit: Duration) async {
        let id = arrive()
        // Its own task, and not a group with two: a group would have to wait for the sleeper it no longer needs.
        let timer = Task {
            try? await Task.sleep(for: limit)
            self.release(id)
        }
        await withTaskCancellationHandler {
            await suspend(id)
        } onCancel: {
            release(id)
        }
        timer.cancel()
    }

    /// Announces a waiter: from here on nothing that releases it is lost, though it is not suspended yet.
    func arrive() -> Int {
        state.withLock { state in
            state.nextID += 1
            state.waiters[state.nextID] = state.isRaised ? .released : .arriving
            state.isRaised = false
            return state.nextID
        }
    }

    /// Suspends an announced waiter until it is released; not at all if it was already.
    func suspend(_ id: Int) async {
        await withCheckedContinuation { continuation in
            let isReleased = state.withLock { state in
                if case .arriving = state.waiters[id] {
                    state.waiters[id] = .suspended(continuation)
                    return false
                }
                state.waiters[id] = nil
                return true
            }
            if isReleased { continuation.resume() }
        }
    }

    func release(_ id: Int) {
        let suspended: CheckedContinuation<Void, Never>? = state.withLock { state in
            switch state.waiters[id] {
            case .arriving: state.waiters[id] = .released
            case .suspended(let continuation):
                state.waiters[id] = nil
                return continuation
            case .released, nil: break  // it goes on, or went, already
            }
            return nil
        }
        suspended?.resume()
    }
}
