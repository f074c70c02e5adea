import Synchronization

/// "There may be work": wakes whoever waits, at once. A signal that finds nobody waiting is remembered for the next.
///
/// Only ever a hint. Whoever waits also polls, because a notification can be lost (a reconnect, a pooler, a failover).
package final class JobSignal: Sendable {
    private struct State {
        var isRaised = false
        var nextID = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    }
    private let state = Mutex(State())

    package init() {}

    var waitingCount: Int { state.withLock { $0.waiting.count } }

    package func raise() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            state.isRaised = state.waiting.isEmpty
            return state.waiting.values
        }
        for waiter in waiting { waiter.resume() }
    }

    /// Returns at a signal, after `limit`, or when the task is cancelled, whichever comes first.
    package func wait(upTo limit: Duration) async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        // Its own task, and not a group with two: a group would have to wait for the sleeper it no longer needs.
        let timer = Task {
            try? await Task.sleep(for: limit)
            self.release(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    defer { state.isRaised = false }
                    if state.isRaised || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            release(id)
        }
        timer.cancel()
    }

    private func release(_ id: Int) {
        state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
    }
}
