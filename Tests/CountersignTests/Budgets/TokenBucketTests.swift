import FoundationEssentials
import Testing

@testable import Countersign

@Suite struct TokenBucketTests {
    private static let start = Date(timeIntervalSince1970: 1_800_000_000)

    private func limits(_ rate: Double?) -> TokenBucket.Limits { TokenBucket.Limits(rate: rate) }

    /// Asked at irregular moments for irregular handfuls, as many daemons do.
    @Test(arguments: [0.2, 1, 7, 200]) func `never more than a second's worth and what flows in`(rate: Double) {
        var random = SystemRandomNumberGenerator()
        var bucket = TokenBucket(refilledAt: Self.start)
        var (granted, now) = (0, Self.start)
        for _ in 0..<2_000 {
            // a daemon that waited for the lock may bring an older time
            let asked = now.addingTimeInterval(-Double.random(in: 0..<0.01, using: &random))
            if case .tokens(let count) = bucket.take(.random(in: 1...50, using: &random), at: asked, limits(rate)) {
                granted += count
            }
            let passed = now.timeIntervalSince(Self.start)
            #expect(Double(granted) <= max(1, rate) + rate * passed + 1e-6)
            now.addTimeInterval(.random(in: 0..<0.05, using: &random))
        }
        #expect(granted > 0)
    }

    @Test func `who gets none is told how long there is none`() {
        var bucket = TokenBucket(tokens: 0, refilledAt: Self.start)
        #expect(bucket.take(5, at: Self.start, limits(4)) == .none(wait: .milliseconds(250)))
        #expect(bucket.take(5, at: Self.start + 0.25, limits(4)) == .tokens(1))
    }

    @Test func `what is owed flows in before anybody gets any`() {
        var bucket = TokenBucket(tokens: 3, refilledAt: Self.start)
        bucket.owe(2, at: Self.start, limits(4))
        #expect(bucket.tokens == 1)
        bucket.owe(2, at: Self.start, limits(4))
        #expect(bucket.take(1, at: Self.start, limits(4)) == .none(wait: .milliseconds(500)))
        #expect(bucket.take(1, at: Self.start + 0.25, limits(4)) == .none(wait: .milliseconds(250)))
        #expect(bucket.take(9, at: Self.start + 1, limits(4)) == .tokens(3))
        bucket.owe(5, at: Self.start, limits(nil))
        #expect(bucket.take(9, at: Self.start + 1, limits(nil)) == .tokens(9))
    }

    @Test func `without a rate everybody gets what they ask for`() {
        var bucket = TokenBucket(refilledAt: Self.start)
        #expect(bucket.take(1_000, at: Self.start, limits(nil)) == .tokens(1_000))
        #expect(bucket.rate(at: Self.start, limits(nil)) == nil)
    }

    @Test func `too much halves the rate once, however many were told`() {
        var bucket = TokenBucket(refilledAt: Self.start)
        for late in [0, 0.1, 0.9] {
            bucket.throttled(observed: 500, retryAfter: nil, at: Self.start + late, limits(40))
        }
        #expect(bucket.rate(at: Self.start + 1, limits(40)) == 20)
        bucket.throttled(observed: 500, retryAfter: nil, at: Self.start + 2, limits(40))
        #expect(bucket.rate(at: Self.start + 2, limits(40)) == 10)
    }

    @Test func `the rate rises by a twentieth for each quiet minute, up to what is configured`() {
        var bucket = TokenBucket(refilledAt: Self.start)
        bucket.throttled(observed: 0, retryAfter: nil, at: Self.start, limits(40))
        #expect(bucket.rate(at: Self.start + 59, limits(40)) == 20)
        #expect(bucket.rate(at: Self.start + 60, limits(40)) == 22)
        #expect(bucket.rate(at: Self.start + 125, limits(40)) == 24)
        #expect(bucket.rate(at: Self.start + 3_600, limits(40)) == 40)
    }

    @Test
    func `where none is configured the rate that was too much is halved, and the limit ends when it is reached again`()
    {
        var bucket = TokenBucket(refilledAt: Self.start)
        bucket.throttled(observed: 100, retryAfter: nil, at: Self.start, limits(nil))
        #expect(bucket.rate(at: Self.start, limits(nil)) == 50)
        #expect(bucket.rate(at: Self.start + 599, limits(nil)) == 95)
        #expect(bucket.rate(at: Self.start + 600, limits(nil)) == nil)
    }

    @Test func `a Retry-After is obeyed by everybody, and no burst follows it`() {
        var bucket = TokenBucket(tokens: 10, refilledAt: Self.start)
        bucket.throttled(observed: 0, retryAfter: .seconds(30), at: Self.start, limits(10))
        #expect(bucket.take(1, at: Self.start + 10, limits(10)) == .none(wait: .seconds(20)))
        // told less by another answer, the longer one stands
        bucket.pause(for: .seconds(1), at: Self.start + 10, limits(10))
        #expect(bucket.take(1, at: Self.start + 29, limits(10)) == .none(wait: .seconds(1)))
        #expect(bucket.take(50, at: Self.start + 30.5, limits(10)) == .tokens(2))
    }

    @Test func `nobody is made to wait longer than is allowed`() {
        var bucket = TokenBucket(refilledAt: Self.start)
        bucket.pause(for: .seconds(86_400), at: Self.start, limits(nil))
        #expect(bucket.pausedUntil == Self.start + 900)
    }
}
