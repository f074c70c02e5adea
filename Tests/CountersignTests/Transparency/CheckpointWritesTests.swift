import Sigstore
import Synchronization
import Testing

@testable import Countersign

@Suite struct CheckpointWritesTests {
    private let log: ForkingLog
    private let writes = CheckpointWrites()
    private let written = Written()

    private final class Written: Sendable {
        let sizes = Mutex<[UInt64]>([])

        func note(_ checkpoint: Checkpoint) { sizes.withLock { $0.append(checkpoint.size) } }
        var all: [UInt64] { sizes.withLock { $0 } }
    }

    private struct NoDatabase: Error {}

    init() throws {
        log = try ForkingLog()
        log.grow(to: 60)
    }

    @Test func `a checkpoint that many entries bring at once is written once`() async throws {
        let (first, second) = (try log.checkpoint(5), try log.checkpoint(6))
        let (writes, written) = (writes, written)
        try await withThrowingTaskGroup(of: Checkpoint?.self) { group in
            for checkpoint in Array(repeating: first, count: 20) + Array(repeating: second, count: 20) {
                group.addTask {
                    try await writes(checkpoint) {
                        written.note(checkpoint)
                        try await Task.sleep(for: .milliseconds(20))
                        return nil
                    }
                }
            }
            for try await other in group { #expect(other == nil) }
        }
        #expect(written.all.sorted() == [5, 6])
        #expect(try await write(first) == nil)
        #expect(written.all.sorted() == [5, 6], "what was written a moment ago is not written again")
    }

    @Test func `a write that failed, or found another root, is tried again`() async throws {
        let (checkpoint, other) = (try log.checkpoint(5), try log.checkpoint(7))
        await #expect(throws: NoDatabase.self) { try await write(checkpoint) { throw NoDatabase() } }
        #expect(try await write(checkpoint) { other } == other)
        #expect(try await write(checkpoint) { other } == other)
        #expect(try await write(checkpoint) == nil)
        #expect(written.all == [5, 5, 5, 5])
    }

    @Test func `what was written is asked for again after a moment, in case it was forgotten`() async throws {
        let (checkpoint, forgetful) = (try log.checkpoint(5), CheckpointWrites(lasting: .zero))
        for _ in 1...3 {
            let other = try await forgetful(checkpoint) { [written] in
                written.note(checkpoint)
                return nil
            }
            #expect(other == nil)
        }
        #expect(written.all == [5, 5, 5])
    }

    @Test func `only the last few are remembered`() async throws {
        for size in 1...40 { #expect(try await write(try log.checkpoint(size)) == nil) }
        #expect(try await write(try log.checkpoint(40)) == nil)
        #expect(written.all.count == 40)
        #expect(try await write(try log.checkpoint(1)) == nil)
        #expect(written.all.count == 41)
    }

    private func write(
        _ checkpoint: Checkpoint, _ result: @escaping @Sendable () throws -> Checkpoint? = { nil }
    ) async throws -> Checkpoint? {
        try await writes(checkpoint) { [written] in
            written.note(checkpoint)
            return try result()
        }
    }
}
