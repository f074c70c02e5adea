import Synchronization

/// When the worker last got through to the queue: readiness is progress, not a process that merely exists.
package final class WorkerHeartbeat: WorkerProgress {
    private struct State {
        var last = ContinuousClock.now
        var isStopping = false
    }

    private let state = Mutex(State())

    package init() {}

    /// The worker looked at the queue or finished an attempt. A lease's heartbeat is no progress: it beats for attempts
    /// that hang, too.
    func advanced() { state.withLock { $0.last = .now } }

    /// The worker claims nothing more.
    func stops() { state.withLock { $0.isStopping = true } }

    package var sinceLastStep: Duration? { state.withLock { .now - $0.last } }

    package var isStopping: Bool { state.withLock { $0.isStopping } }
}
