/// How many bytes of documents this process holds in memory at once: whoever needs one whole waits until there is room.
///
/// One document of the largest size always gets in, and then it is alone. In the order of asking, so that a large one is
/// not passed by small ones for ever.
package actor DocumentMemory {
    private let capacity: Int
    private var held = 0
    private var waiting: [(id: Int, bytes: Int, ready: CheckedContinuation<Void, any Error>)] = []
    private var asked = 0

    /// - Parameter capacity: in bytes.
    package init(capacity: Int) { self.capacity = capacity }

    /// Runs `body` once there is room for so many bytes.
    /// - Throws: `CancellationError` when cancelled while it waits; what `body` throws.
    package nonisolated func holding<Result: Sendable>(
        _ bytes: Int, _ body: () async throws -> Result
    ) async throws -> Result {
        let bytes = min(bytes, capacity)
        try await take(bytes)
        do {
            let result = try await body()
            await give(bytes)
            return result
        } catch {
            await give(bytes)
            throw error
        }
    }

    private func take(_ bytes: Int) async throws {
        if waiting.isEmpty, held + bytes <= capacity {
            held += bytes
            return
        }
        asked += 1
        let id = asked
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // cancelled before it waited: the handler has run already and found nobody
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    waiting.append((id, bytes, continuation))
                }
            }
        } onCancel: {
            Task { await self.forget(id) }
        }
    }

    private func forget(_ id: Int) {
        guard let position = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: position).ready.resume(throwing: CancellationError())
        admit()
    }

    private func give(_ bytes: Int) {
        held -= bytes
        admit()
    }

    private func admit() {
        while let next = waiting.first, held + next.bytes <= capacity {
            held += next.bytes
            waiting.removeFirst().ready.resume()
        }
    }
}
