import Curl
import FoundationEssentials
import Sigstore
import Testing

@testable import Countersign

@Suite struct CircuitBreakerTests {
    private static let start = Date(timeIntervalSince1970: 1_800_000_000)
    private let limits = CircuitBreaker.Limits()
    private let one = UUID()
    private let other = UUID()

    @Test func `it opens for 5 seconds, and for twice as long with each trial that fails, up to the ceiling`() {
        var breaker = CircuitBreaker()
        var now = Self.start
        for expected in [5.0, 10, 20, 40, 80, 160, 300, 300] {
            if breaker.openings > 0 { #expect(breaker.grantProbe(to: one, at: now, limits) == true) }
            #expect(breaker.trip(by: one, at: now, random: 0, limits) == true)
            #expect(breaker.retryAt == now + expected)
            #expect(breaker.state(at: now + expected - 0.1) == .open(until: now + expected))
            now += expected
            #expect(breaker.state(at: now) == .halfOpen)
        }
    }

    @Test func `chance shortens the time by up to a quarter`() {
        var breaker = CircuitBreaker()
        #expect(breaker.trip(by: one, at: Self.start, random: 1, limits) == true)
        #expect(breaker.retryAt == Self.start + 3.75)
    }

    @Test func `what failed while it was open changes nothing`() {
        var breaker = CircuitBreaker()
        #expect(breaker.trip(by: one, at: Self.start, random: 0, limits) == true)
        #expect(breaker.trip(by: other, at: Self.start + 1, random: 0, limits) == false)
        #expect(breaker.openings == 1)
        #expect(breaker.retryAt == Self.start + 5)
    }

    @Test func `one holder tries, and a holder that is not heard of loses the trial`() {
        var breaker = CircuitBreaker()
        #expect(breaker.grantProbe(to: one, at: Self.start, limits) == false, "it is closed")
        #expect(breaker.trip(by: one, at: Self.start, random: 0, limits) == true)
        #expect(breaker.grantProbe(to: one, at: Self.start + 4, limits) == false, "it is open")
        #expect(breaker.grantProbe(to: one, at: Self.start + 5, limits) == true)
        #expect(breaker.grantProbe(to: other, at: Self.start + 19, limits) == false)
        #expect(breaker.grantProbe(to: other, at: Self.start + 20, limits) == true)
        #expect(breaker.close(by: one) == false, "its trial is over")
        #expect(breaker.close(by: other) == true)
        #expect(breaker == CircuitBreaker())
    }

    @Test func `a straggler cannot end another's trial`() {
        var breaker = CircuitBreaker()
        #expect(breaker.trip(by: one, at: Self.start, random: 0, limits) == true)
        #expect(breaker.grantProbe(to: one, at: Self.start + 5, limits) == true)
        #expect(breaker.trip(by: other, at: Self.start + 6, random: 0, limits) == false)
        #expect(breaker.trip(by: one, at: Self.start + 6, random: 0, limits) == true)
        #expect(breaker.retryAt == Self.start + 16)
    }

    // MARK: When it is enough

    private func trips(_ ends: [Bool], every pause: Duration = .milliseconds(100)) -> Int? {
        var window = FailureWindow()
        let start = ContinuousClock.now
        for (number, isFailure) in ends.enumerated()
        where window.note(isFailure: isFailure, at: start + pause * number, .init()) { return number + 1 }
        return nil
    }

    @Test func `five failures in a row are enough, four and a success are not`() {
        #expect(trips([true, true, true, true, true]) == 5)
        #expect(trips([true, true, true, true, false, true, true, true, true]) == nil)
    }

    @Test func `half of twenty calls is enough, of nineteen it is not`() {
        let halves = (0..<20).map { $0 % 2 == 1 }
        #expect(trips(halves) == 20)
        #expect(trips(Array(halves.dropLast())) == nil)
        #expect(trips((0..<60).map { $0 % 3 == 0 }) == nil, "a third")
    }

    @Test func `what was seen more than half a minute ago counts no more`() {
        #expect(trips((0..<60).map { $0 % 2 == 1 }, every: .seconds(2)) == nil)
    }

    // MARK: What counts

    @Test(arguments: [
        (HTTPRequestEnd.answered(status: 500, retryAfter: nil), "http.500"),
        (.answered(status: 503, retryAfter: .seconds(3)), "http.503"),
        (.answered(status: 429, retryAfter: nil), "http.429"),
        (.answered(status: 408, retryAfter: nil), "http.408"),
        (.failed(.unreachable(url: "u", detail: "refused")), "http.unreachable"),
        (.failed(.timedOut(url: "u", phase: .answering, limit: .seconds(30))), "http.timeout"),
        (.failed(.interrupted(url: "u", detail: "reset")), "http.interrupted"),
    ]) func `what is the dependency's own fault counts`(end: HTTPRequestEnd, code: String) {
        #expect(DependencyVerdict(end).code == code)
    }

    @Test(arguments: [200, 201, 202, 307, 400, 401, 403, 404, 405, 409, 413])
    func `an answer that refuses is an answer`(status: Int) {
        #expect(DependencyVerdict(.answered(status: status, retryAfter: nil)) == .answered)
    }

    @Test func `what is our own doing says nothing`() {
        for error in [
            HTTPError.cancelled(url: "u", answerMayBeLost: true), .shutDown(url: "u", answerMayBeLost: false),
            .addressDenied(url: "u", address: "a", kind: "k"), .invalidRequest(url: "u", reason: "r"),
            .withheld(Withheld(code: "breaker.open", upstream: "u", observed: "o", after: .zero)),
        ] { #expect(DependencyVerdict(.failed(error)) == .neutral) }
    }

    @Test func `only too much lowers a rate, and any Retry-After is obeyed`() {
        let tooMuch = DependencyVerdict(.answered(status: 429, retryAfter: .seconds(7)))
        #expect(tooMuch.isTooMuch && tooMuch.pause == .seconds(7))
        let busy = DependencyVerdict(.answered(status: 503, retryAfter: .seconds(7)))
        #expect(!busy.isTooMuch && busy.pause == .seconds(7))
    }

    @Test func `a source without a token is down, one with a bad token is not`() {
        #expect(DependencyVerdict(.identity(.missing(source: "f", detail: "d"))).code == "identity.token_missing")
        #expect(DependencyVerdict(.identity(.malformed("m"))) == .neutral)
    }
}
