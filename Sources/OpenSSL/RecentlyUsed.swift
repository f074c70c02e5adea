import Synchronization

/// What was found out about the last few byte strings, by their SHA-256; what was not asked for the longest goes first.
///
/// For facts that cost much more than a hash and that only the bytes decide. Remember nothing that a stranger can have
/// remembered for free: it would push out the rest.
package final class RecentlyUsed<Value: Sendable>: Sendable {
    private struct Slot {
        let value: Value
        var used: UInt64
    }

    private struct State {
        var slots: [[UInt8]: Slot] = [:]
        var clock: UInt64 = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    /// - Parameter capacity: values at most; at least one is kept.
    package init(capacity: Int) { self.capacity = max(1, capacity) }

    /// What is remembered about these bytes.
    package func value(for bytes: [UInt8]) -> Value? {
        let key = Hash.sha256(bytes)
        return state.withLock { state in
            state.clock += 1
            guard let index = state.slots.index(forKey: key) else { return nil }
            state.slots.values[index].used = state.clock
            return state.slots.values[index].value
        }
    }

    /// Remembers `value` about these bytes, in place of what was known of them.
    package func remember(_ value: Value, for bytes: [UInt8]) {
        let key = Hash.sha256(bytes)
        state.withLock { state in
            state.clock += 1
            state.slots[key] = Slot(value: value, used: state.clock)
            guard state.slots.count > capacity else { return }
            // a quarter at once, so that the search for the oldest is not repeated for every value
            let oldest = state.slots.sorted { $0.value.used < $1.value.used }.prefix(max(1, capacity / 4))
            for (key, _) in oldest { state.slots[key] = nil }
        }
    }
}
