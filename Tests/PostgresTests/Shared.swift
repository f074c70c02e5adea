import Glibc
import Synchronization

/// A value that a test shares with closures on other threads.
final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func withLock<R: Sendable>(_ body: (inout Value) -> R) -> R {
        value.withLock { current in
            var copy = current
            defer { current = copy }
            return body(&copy)
        }
    }
}

/// A few milliseconds on the connection's own thread, where nothing can be awaited.
func pause() { usleep(5_000) }
