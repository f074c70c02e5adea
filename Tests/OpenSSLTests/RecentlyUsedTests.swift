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
}
