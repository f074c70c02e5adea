import OCI
import Postgres
import Support
import Synchronization
import Testing

@testable import Countersign

@Suite struct QueueDeliveryGroupCommitTests {
    /// A store that holds its first batch until it is told to go on, and remembers the sizes of all.
    private final class Store: Sendable {
        let sizes = Mutex<[Int]>([])
        let gate = JobSignal()
        let blocksFirst: Bool
        let failure: QueueError?

        init(blocksFirst: Bool, failure: QueueError? = nil) {
            self.blocksFirst = blocksFirst
            self.failure = failure
        }

        func enqueue(_ requests: [EnqueueRequest]) async throws(QueueError) -> EnqueueResult {
            let batches = sizes.withLock { sizes in
                sizes.append(requests.count)
                return sizes.count
            }
            if blocksFirst, batches == 1 { await gate.wait(upTo: .seconds(60)) }
            if let failure { throw failure }
            if requests.count(where: { $0.tag == "poison" }) > 0 { throw .unstorable(code: "23514") }
            return EnqueueResult(
                items: requests.map { request in
                    .init(verdict: .accepted, targetID: Int64(request.tag ?? "") ?? 0)
                })
        }
    }

    private func group(_ store: Store, limit: Int = 1_000, batchLimit: Int = 100) -> DeliveryGroupCommit {
        DeliveryGroupCommit(limit: limit, batchLimit: batchLimit) { requests throws(QueueError) in
            try await store.enqueue(requests)
        }
    }

    @Test func `what arrives during a commit goes into the next one, each gets its own answers`() async throws {
        let store = Store(blocksFirst: true)
        let group = group(store)
        async let first = group.commit([samplePush(nil, tag: "0")])
        try await eventually { store.sizes.withLock { $0.count } == 1 }
        let answers = try await withThrowingTaskGroup(of: (Int, [Int64?]).self) { tasks in
            for index in 1...10 {
                tasks.addTask {
                    let delivery = [samplePush(nil, tag: "\(index)"), samplePush(nil, tag: "\(index * 100)")]
                    return (index, try await group.commit(delivery).items.map(\.targetID))
                }
            }
            try await eventually { await group.waitingCount == 10 }
            store.gate.raise()
            return try await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        #expect(try await first.items.map(\.targetID) == [0])
        #expect(store.sizes.withLock { $0 } == [1, 20])
        for index in 1...10 { #expect(answers[index] == [Int64(index), Int64(index * 100)]) }
    }

    @Test func `a batch stays within its limit and a larger delivery goes alone`() async throws {
        let store = Store(blocksFirst: true)
        let group = group(store, batchLimit: 3)
        async let first = group.commit([samplePush(nil, tag: "0")])
        try await eventually { store.sizes.withLock { $0.count } == 1 }
        async let large = group.commit((0..<5).map { samplePush(nil, tag: "\($0)") })
        try await eventually { await group.waitingCount == 1 }
        async let small = group.commit([samplePush(nil, tag: "9")])
        try await eventually { await group.waitingCount == 2 }
        store.gate.raise()
        _ = try await (first, large, small)
        #expect(store.sizes.withLock { $0 } == [1, 5, 1])
    }

    @Test func `one poisoned delivery does not hold back the others`() async throws {
        let fixture = try await QueueFixture()
        let group = DeliveryGroupCommit(queue: fixture.queue)
        let results = await withTaskGroup(of: Result<EnqueueResult, QueueError>.self) { tasks in
            for index in 0..<30 {
                tasks.addTask {
                    let body: [UInt8] = index == 7 ? [UInt8](repeating: 32, count: 1_048_577) : [123, 125]
                    do throws(QueueError) {
                        return .success(try await group.commit([samplePush(sampleDigest(index), body: body)]))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        let refused = results.compactMap { result -> QueueError? in
            if case .failure(let error) = result { error } else { nil }
        }
        #expect(refused.map(\.code) == ["queue.unstorable"])
        #expect(try await fixture.jobCount() == 29)
    }

    @Test func `a database that is away fails the whole batch at once as transient`() async throws {
        let store = Store(blocksFirst: true, failure: .database(.unavailable(reason: "restarting")))
        let group = group(store)
        let first = Task { try await group.commit([samplePush(nil, tag: "0")]) }
        try await eventually { store.sizes.withLock { $0.count } == 1 }
        let second = Task { try await group.commit([samplePush(nil, tag: "1")]) }
        let third = Task { try await group.commit([samplePush(nil, tag: "2")]) }
        try await eventually { await group.waitingCount == 2 }
        store.gate.raise()
        await #expect(throws: QueueError.self) { _ = try await first.value }
        await #expect(throws: QueueError.self) { _ = try await second.value }
        await #expect(throws: QueueError.self) { _ = try await third.value }
        #expect(store.sizes.withLock { $0 } == [1, 2])
    }

    @Test func `more deliveries than may wait are sent away`() async throws {
        let store = Store(blocksFirst: true)
        let group = group(store, limit: 1)
        async let first = group.commit([samplePush(nil, tag: "0")])
        try await eventually { store.sizes.withLock { $0.count } == 1 }
        async let second = group.commit([samplePush(nil, tag: "1")])
        try await eventually { await group.waitingCount == 1 }
        do {
            _ = try await group.commit([samplePush(nil, tag: "2")])
            Issue.record("it was taken")
        } catch {
            #expect(error.code == "queue.overloaded" && error.isTransient)
        }
        store.gate.raise()
        _ = try await (first, second)
    }
}
