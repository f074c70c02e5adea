import Synchronization

/// When the worker last got through to the queue: readiness is progress, not a process that merely exists.
package final class WorkerHeartbeat: WorkerProgress {
    private struct State {
        var last = ContinuousClock.now
        var isStopping = false
    }

    /// Of the worker that the task works for; nil elsewhere.
    @TaskLocal static var ofAttempt: WorkerHeartbeat?

    package let longestSilence: Duration
    private let state = Mutex(State())

    package init(longestSilence: Duration = .seconds(60)) { self.longestSilence = longestSilence }

    /// The worker looked at the queue or finished an attempt, or a request of one was let through or has ended: with all slots
    /// at a slow upstream nothing else happens for minutes. A lease's heartbeat is no progress: it beats for attempts that
    /// hang, too.
    func advanced() { state.withLock { $0.last = .now } }

    /// The worker claims nothing more.
    func stops() { state.withLock { $0.isStopping = true } }

    package var sinceLastStep: Duration? { state.withLock { .now - $0.last } }

    package var isStopping: Bool { state.withLock { $0.isStopping } }
}
