import Synchronization

/// A value that becomes known once, and whoever waits for it.
final class Gate<Value: Sendable>: Sendable {
    private enum State {
        case closed([CheckedContinuation<Value, any Error>])
        case open(Result<Value, any Error>)
    }

    private let state = Mutex(State.closed([]))

    /// The value, at once if it is known.
    var value: Value {
        get async throws {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Value, any Error>? = state.withLock { state in
                    switch state {
                    case .open(let result): return result
                    case .closed(let waiting):
                        state = .closed(waiting + [continuation])
                        return nil
                    }
                }
                if let result { continuation.resume(with: result) }
            }
        }
    }

    /// Lets everyone through with the first result given; later ones are ignored.
    func open(_ result: Result<Value, any Error>) {
        let waiting = state.withLock { state -> [CheckedContinuation<Value, any Error>] in
            guard case .closed(let waiting) = state else { return [] }
            state = .open(result)
            return waiting
        }
        for continuation in waiting { continuation.resume(with: result) }
    }
}
