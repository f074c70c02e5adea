import Support
import Testing

@testable import Countersign

/// How bulk steps back while a registry's notifications lag.
@Suite struct BulkYieldTests {
    private let start = ContinuousClock.now

    /// One notification each 100 ms, from `second` on, for `seconds`.
    private func hear(
        _ yield: inout BulkYield, after delay: Duration, underWay: Int = 30, from second: Int, for seconds: Int
    ) {
        for tenth in 0..<seconds * 10 {
            yield.heard(after: delay, underWay: underWay, at: start + .milliseconds(second * 1_000 + tenth * 100))
        }
    }

    @Test func `what is told at once leaves bulk free`() {
        var yield = BulkYield()
        hear(&yield, after: .milliseconds(20), from: 0, for: 60)
        #expect(yield.limit == nil)
    }

    @Test func `what lags has bulk step back to one, and what is prompt again frees it by and by`() {
        var yield = BulkYield()
        hear(&yield, after: .milliseconds(20), from: 0, for: 1)
        yield.heard(after: .seconds(2), underWay: 30, at: start + .seconds(2))
        #expect(yield.limit == 15)
        hear(&yield, after: .seconds(2), from: 3, for: 10)
        #expect(yield.limit == 1)
        // neither late nor prompt: as it is
        hear(&yield, after: .milliseconds(700), from: 13, for: 10)
        #expect(yield.limit == 1)
        hear(&yield, after: .milliseconds(30), from: 23, for: 9)
        #expect(yield.limit == 3)
        hear(&yield, after: .milliseconds(30), from: 32, for: 200)
        #expect(yield.limit == nil)
    }

    @Test func `what is not told any more holds nothing back for long`() {
        var yield = BulkYield()
        hear(&yield, after: .milliseconds(20), from: 0, for: 1)
        hear(&yield, after: .seconds(9), from: 1, for: 10)
        #expect(yield.limit == 1)
        for second in 11..<300 { yield.ease(at: start + .seconds(second)) }
        #expect(yield.limit == nil)
    }

    @Test func `what comes late while we ask nothing of the registry is not our doing`() {
        var yield = BulkYield()
        hear(&yield, after: .milliseconds(20), from: 0, for: 1)
        hear(&yield, after: .seconds(60), underWay: 0, from: 1, for: 10)
        #expect(yield.limit == nil)
    }

    @Test func `a time to come is now, and is not remembered`() {
        var yield = BulkYield()
        yield.heard(after: .seconds(-3_600), underWay: 10, at: start)
        hear(&yield, after: .milliseconds(20), from: 1, for: 30)
        #expect(yield.limit == nil)
    }

    @Test func `a clock that differs is no delay`() {
        let difference = Duration.seconds(4)
        var yield = BulkYield()
        hear(&yield, after: difference + .milliseconds(20), from: 0, for: 30)
        #expect(yield.limit == nil)
        yield.heard(after: difference + .seconds(3), underWay: 10, at: start + .seconds(31))
        #expect(yield.limit == 5)
    }

    @Test func `a clock that was set holds bulk back for as many minutes as seconds`() {
        var yield = BulkYield()
        hear(&yield, after: .milliseconds(20), from: 0, for: 1)
        hear(&yield, after: .seconds(4), from: 1, for: 60)
        #expect(yield.limit == 1)
        hear(&yield, after: .seconds(4), from: 61, for: 420)
        #expect(yield.limit == nil)
    }

    @Test func `who starts in the midst of a backlog notices it`() {
        var yield = BulkYield()
        yield.heard(after: .seconds(60), underWay: 8, at: start)
        #expect(yield.limit == 4)
    }
}

/// Places at one dependency.
@Suite struct RequestSlotsTests {
    private func isTaken(_ slots: RequestSlots, yielding: Bool) -> Task<Bool, Never> {
        Task { await slots.take(yielding: yielding) }
    }

    @Test func `those that yield have a limit of their own, which others do not know`() async throws {
        let slots = RequestSlots()
        slots.limitYielding(to: 2)
        #expect(await slots.take(yielding: true))
        #expect(await slots.take(yielding: true))
        let third = isTaken(slots, yielding: true)
        try await eventually("it waits") { slots.queued == 1 }
        for _ in 0..<3 { #expect(await slots.take()) }
        #expect(slots.taken == 5)
        for _ in 0..<3 { slots.release() }
        #expect(slots.queued == 1)
        slots.release(yielding: true)
        #expect(await third.value)
        slots.limitYielding(to: nil)
        #expect(await slots.take(yielding: true))
    }

    @Test func `one of those that yield is always under way`() async throws {
        let slots = RequestSlots()
        slots.limitYielding(to: 1)
        for _ in 0..<4 { #expect(await slots.take()) }
        #expect(await slots.take(yielding: true))
        #expect(slots.taken == 5)
    }

    @Test func `after eight others it is the turn of one that yields`() async throws {
        let slots = RequestSlots(limit: 1)
        #expect(await slots.take())
        let yielding = isTaken(slots, yielding: true)
        try await eventually("it waits") { slots.queued == 1 }
        let others = (0..<10).map { _ in isTaken(slots, yielding: false) }
        try await eventually("all wait") { slots.queued == 11 }
        for _ in 0..<9 { slots.release() }
        #expect(await yielding.value)
        #expect(slots.queued == 2)
        slots.release(yielding: true)
        slots.release()
        for other in others { #expect(await other.value) }
    }

    @Test func `who does not yield goes first`() async throws {
        let slots = RequestSlots(limit: 1)
        #expect(await slots.take())
        let yielding = isTaken(slots, yielding: true)
        try await eventually("it waits") { slots.queued == 1 }
        let other = isTaken(slots, yielding: false)
        try await eventually("both wait") { slots.queued == 2 }
        slots.release()
        #expect(await other.value)
        #expect(slots.queued == 1)
        slots.release()
        #expect(await yielding.value)
    }

    @Test func `who stands behind one that gives up is let in`() async throws {
        let slots = RequestSlots(limit: 1)
        #expect(await slots.take(yielding: true))
        let first = isTaken(slots, yielding: false)
        try await eventually("it waits") { slots.queued == 1 }
        let second = isTaken(slots, yielding: true)
        try await eventually("both wait") { slots.queued == 2 }
        first.cancel()
        #expect(await first.value == false)
        slots.release(yielding: true)
        #expect(await second.value)
        #expect(slots.taken == 1 && slots.queued == 0)
    }
}
