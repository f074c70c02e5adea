import Sigstore
import Synchronization

/// What of a log's checkpoints was written down lately, or is being written: entries that come together bring the same one, and
/// it is written once for all of them.
///
/// A write that failed, or that found the log contradicting itself, is not remembered: the next entry asks again. Nor is any for
/// longer than a moment: an operator who clears an alarm makes the tables forget what was written.
final class CheckpointWrites: Sendable {
    private typealias Write = Task<Checkpoint?, any Error>

    private struct State {
        /// By the text that the log signed: name, size and root. Without a task once it is written: a task keeps the memory it
        /// ran in, several kilobytes, for as long as somebody knows it.
        var writes: [[UInt8]: (write: Write?, begun: ContinuousClock.Instant)] = [:]
        /// The same texts, the oldest first.
        var order: [[UInt8]] = []
    }

    /// Entries of one moment carry few checkpoints.
    private static let limit = 32

    private let lasting: Duration
    private let state = Mutex(State())

    /// - Parameter lasting: how long after its begin a write is that of other entries too.
    init(lasting: Duration = .seconds(5)) { self.lasting = lasting }

    /// Returns what `write` returned of this checkpoint, be it here or for another entry a moment ago.
    /// - Throws: what `write` throws, to all that waited for it.
    func callAsFunction(
        _ checkpoint: Checkpoint, _ write: @escaping @Sendable () async throws -> Checkpoint?
    ) async throws -> Checkpoint? {
        let text = checkpoint.signedText
        let shared = state.withLock { state -> Write? in
            if let known = state.writes[text] {
                if ContinuousClock.now - known.begun < lasting { return known.write }
                state.order.removeAll { $0 == text }
            }
            // a task of its own: others wait for it also when this attempt is stopped
            let fresh = Write { try await write() }
            state.writes[text] = (fresh, .now)
            state.order.append(text)
            if state.order.count > Self.limit { state.writes[state.order.removeFirst()] = nil }
            return fresh
        }
        guard let shared else { return nil }
        do {
            if let other = try await shared.value {
                forget(text, shared)
                return other
            }
            rememberWritten(text, shared)
            return nil
        } catch {
            forget(text, shared)
            throw error
        }
    }

    private func rememberWritten(_ text: [UInt8], _ write: Write) {
        state.withLock { state in
            guard state.writes[text]?.write == write else { return }
            state.writes[text]?.write = nil
        }
    }

    private func forget(_ text: [UInt8], _ write: Write) {
        state.withLock { state in
            guard state.writes[text]?.write == write else { return }
            state.writes[text] = nil
            state.order.removeAll { $0 == text }
        }
    }
}
