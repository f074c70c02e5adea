import Synchronization

/// What was found out about the last few byte strings, by their SHA-256; what was not asked for the longest goes first.
///
/// For facts that cost much more than a hash and that only the bytes decide. Remember nothing that a stranger can have
/// remembered for free: it would push out the rest.
package final class RecentlyUsed<Value: Sendable>: Sendable {
    private struct Slot {
        let value: Value
        var turn: UInt64
        var used: ContinuousClock.Instant
    }

    private struct State {
        var slots: [[UInt8]: Slot] = [:]
        var turn: UInt64 = 0
        /// When the idle are looked for next.
        var sweep: ContinuousClock.Instant?
    }

    private let capacity: Int
    private let idle: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Mutex(State())

    /// - Parameters:
    ///   - capacity: values at most; at least one is kept.
    ///   - idle: how long a value is kept that nobody asks for, or a tenth longer. A daemon whose certificates live for minutes
    ///     would otherwise fill, over days, what it has room for.
    package init(
        capacity: Int, idle: Duration = .seconds(600),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.capacity = max(1, capacity)
        self.idle = idle
        self.now = now
    }

    /// Values that are remembered.
    var count: Int { state.withLock { $0.slots.count } }

    /// What is remembered about these bytes.
    package func value(for bytes: [UInt8]) -> Value? {
        let key = Hash.sha256(bytes)
        let time = now()
        return state.withLock { state in
            state.turn += 1
            guard let index = state.slots.index(forKey: key) else { return nil }
            state.slots.values[index].turn = state.turn
            state.slots.values[index].used = time
            return state.slots.values[index].value
        }
    }

    /// Remembers `value` about these bytes, in place of what was known of them.
    package func remember(_ value: Value, for bytes: [UInt8]) {
        let key = Hash.sha256(bytes)
        let time = now()
        state.withLock { state in
            state.turn += 1
            state.slots[key] = Slot(value: value, turn: state.turn, used: time)
            if state.sweep.map({ $0 <= time }) ?? true {
                state.sweep = time + idle / 10
                state.slots = state.slots.filter { time - $0.value.used <= idle }
            }
            guard state.slots.count > capacity else { return }
            // a quarter at once, so that the search for the oldest is not repeated for every value
            let oldest = state.slots.sorted { $0.value.turn < $1.value.turn }.prefix(max(1, capacity / 4))
            for (key, _) in oldest { state.slots[key] = nil }
        }
    }
}
