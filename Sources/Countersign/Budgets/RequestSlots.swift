import Synchronization

/// Requests under way at one dependency, at most so many; the rest wait in the order in which they came, those that yield
/// behind all others, except that after eight of those it is their turn.
final class RequestSlots: Sendable {
    private static let turn = 8

    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var limit: Int?
        /// From then on nobody is let in.
        var end: ContinuousClock.Instant?
        /// Of requests that yield, while others are under way too.
        var yieldingLimit: Int?
        var taken = 0
        var takenYielding = 0
        var nextID = 0
        var waiting: [Waiter] = []
        var waitingYielding: [Waiter] = []
        /// Of those that do not yield, let in while others stood behind them.
        var passed = 0

        func isOpen(for count: Int) -> Bool { limit.map { count < $0 } ?? true && end.map { .now < $0 } ?? true }

        /// Whatever the others do, one of those that yield may be under way.
        func isFree(yielding: Bool) -> Bool {
            guard isOpen(for: taken) else { return false }
            guard yielding, let yieldingLimit else { return true }
            return taken < yieldingLimit || takenYielding == 0
        }

        mutating func take(yielding: Bool) {
            taken += 1
            if yielding { takenYielding += 1 }
        }

        /// Takes a slot if there is one that nobody waits for.
        mutating func takesAtOnce(yielding: Bool) -> Bool {
            let isFirst = waiting.isEmpty && (!yielding || waitingYielding.isEmpty)
            guard isFirst, isFree(yielding: yielding) else { return false }
            take(yielding: yielding)
            return true
        }

        /// Who may go on now that there is room.
        mutating func admitted() -> [Waiter] {
            var admitted: [Waiter] = []
            while true {
                let isTheirTurn = waiting.isEmpty || passed >= RequestSlots.turn
                if isTheirTurn, !waitingYielding.isEmpty, isFree(yielding: true) {
                    take(yielding: true)
                    passed = 0
                    admitted.append(waitingYielding.removeFirst())
                } else if !waiting.isEmpty, isFree(yielding: false) {
                    take(yielding: false)
                    passed = waitingYielding.isEmpty ? 0 : passed + 1
                    admitted.append(waiting.removeFirst())
                } else {
                    return admitted
                }
            }
        }

        mutating func withdraw(_ id: Int) -> Waiter? {
            if let place = waiting.firstIndex(where: { $0.id == id }) { return waiting.remove(at: place) }
            return waitingYielding.firstIndex { $0.id == id }.map { waitingYielding.remove(at: $0) }
        }
    }

    private let state: Mutex<State>

    init(limit: Int? = nil) { state = Mutex(State(limit: limit)) }

    var taken: Int { state.withLock(\.taken) }
    var queued: Int { state.withLock { $0.waiting.count + $0.waitingYielding.count } }
    var queuedYielding: Int { state.withLock { $0.waitingYielding.count } }

    /// Whether anybody may be let in, once those before it have ended.
    var isOpen: Bool { state.withLock { $0.isOpen(for: 0) } }

    /// Another limit; those who are over it end as they are.
    /// - Parameter end: when it is no more than none; nil: it holds until it is changed.
    func limit(to limit: Int?, until end: ContinuousClock.Instant? = nil) {
        change { ($0.limit, $0.end) = (limit, end) }
    }

    /// Another limit for those who yield.
    func limitYielding(to limit: Int?) { change { $0.yieldingLimit = limit } }

    private func change(_ body: @Sendable (inout State) -> Void) {
        let admitted = state.withLock { state in
            body(&state)
            return state.admitted()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }

    /// Waits for a slot; false: cancelled meanwhile, and nothing is held.
    func take(yielding: Bool = false) async -> Bool {
        let id: Int? = state.withLock { state in
            if state.takesAtOnce(yielding: yielding) { return nil }
            state.nextID += 1
            return state.nextID
        }
        guard let id else { return true }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isAdmitted: Bool? = state.withLock { state in
                    // looked at under the lock: a cancellation after this finds the waiter
                    if Task.isCancelled { return false }
                    if state.takesAtOnce(yielding: yielding) { return true }
                    let waiter = Waiter(id: id, continuation: continuation)
                    if yielding { state.waitingYielding.append(waiter) } else { state.waiting.append(waiter) }
                    return nil
                }
                if let isAdmitted { continuation.resume(returning: isAdmitted) }
            }
        } onCancel: {
            // whoever stood behind it may be the next
            let (waiter, admitted) = state.withLock { state in (state.withdraw(id), state.admitted()) }
            waiter?.continuation.resume(returning: false)
            for next in admitted { next.continuation.resume(returning: true) }
        }
    }

    /// The same until a deadline; false also: it stood in line until then, and nothing is held.
    func take(yielding: Bool, by deadline: ContinuousClock.Instant) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { await self.take(yielding: yielding) }
            group.addTask {
                try? await Task.sleep(until: deadline, clock: .continuous)
                return false
            }
            var isTaken = false
            // the one ends the other; a slot may be had at the deadline all the same
            for await hasSlot in group {
                if hasSlot { isTaken = true }
                group.cancelAll()
            }
            return isTaken
        }
    }

    func release(yielding: Bool = false) {
        change { state in
            state.taken -= 1
            if yielding { state.takenYielding -= 1 }
        }
    }
}
