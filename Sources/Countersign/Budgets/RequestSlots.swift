import Synchronization

/// Requests under way at one dependency, at most so many; the rest wait in the order in which they came.
final class RequestSlots: Sendable {
    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var limit: Int?
        var taken = 0
        var nextID = 0
        var waiting: [Waiter] = []

        var isFree: Bool { limit.map { taken < $0 } ?? true }

        /// Who may go on now that there is room.
        mutating func admitted() -> [Waiter] {
            var admitted: [Waiter] = []
            while !waiting.isEmpty, isFree {
                taken += 1
                admitted.append(waiting.removeFirst())
            }
            return admitted
        }
    }

    private let state: Mutex<State>

    init(limit: Int? = nil) { state = Mutex(State(limit: limit)) }

    var taken: Int { state.withLock(\.taken) }
    var queued: Int { state.withLock(\.waiting.count) }

    /// Another limit; those who are over it end as they are.
    func limit(to limit: Int?) {
        let admitted = state.withLock { state in
            state.limit = limit
            return state.admitted()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }

    /// Waits for a slot; false: cancelled meanwhile, and nothing is held.
    func take() async -> Bool {
        let id: Int? = state.withLock { state in
            if state.isFree, state.waiting.isEmpty {
                state.taken += 1
                return nil
            }
            state.nextID += 1
            return state.nextID
        }
        guard let id else { return true }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isAdmitted: Bool? = state.withLock { state in
                    // looked at under the lock: a cancellation after this finds the waiter
                    if Task.isCancelled { return false }
                    if state.isFree, state.waiting.isEmpty {
                        state.taken += 1
                        return true
                    }
                    state.waiting.append(Waiter(id: id, continuation: continuation))
                    return nil
                }
                if let isAdmitted { continuation.resume(returning: isAdmitted) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    func release() {
        let admitted = state.withLock { state in
            state.taken -= 1
            return state.admitted()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }
}
