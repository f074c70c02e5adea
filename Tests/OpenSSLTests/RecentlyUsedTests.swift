import Synchronization
import Testing

@testable import OpenSSL

@Suite struct RecentlyUsedTests {
    @Test func `the least recently used value goes first`() {
        let known = RecentlyUsed<Int>(capacity: 4)
        for index in 0..<4 { known.remember(index, for: [UInt8(index)]) }
        #expect(known.value(for: [0]) == 0)
        known.remember(4, for: [4])
        #expect(known.value(for: [0]) == 0)
        #expect(known.value(for: [1]) == nil)
        #expect(known.value(for: [4]) == 4)
    }

    @Test func `what is remembered anew replaces what was`() {
        let known = RecentlyUsed<String>(capacity: 2)
        known.remember("first", for: [1, 2])
        known.remember("second", for: [1, 2])
        #expect(known.value(for: [1, 2]) == "second")
        #expect(known.value(for: [1]) == nil)
    }

    @Test func `what nobody asks for is forgotten in time`() {
        let start = ContinuousClock.now
        let passed = Mutex(Duration.zero)
        let known = RecentlyUsed<Int>(capacity: 100, idle: .seconds(600)) { start + passed.withLock { $0 } }
        // one value a minute, as a daemon has certificates; the first is asked for again and again
        for minute in 0..<120 {
            passed.withLock { $0 = .seconds(60 * minute) }
            known.remember(minute, for: [UInt8(minute)])
            #expect(known.value(for: [0]) == 0)
        }
        #expect(known.count == 12)
        #expect(known.value(for: [118]) == 118)
        #expect(known.value(for: [108]) == nil)
    }
}
