/// Stands before the requests to one upstream and sees how each of them ends: a budget, a circuit breaker.
public protocol HTTPGate: Sendable {
    /// Returns when the request may be sent.
    /// - Throws: ``HTTPError/withheld(_:)`` if it may not, now; ``HTTPError/cancelled(url:answerMayBeLost:)``.
    func enter() async throws(HTTPError) -> HTTPPass

    /// Told once of each request that entered, as soon as it has ended, with what it was given on its way in.
    func leave(_ end: HTTPRequestEnd, _ pass: HTTPPass)
}

/// What a gate gave a request on its way in: says, when the request has ended, which one it was.
public struct HTTPPass: Sendable, Equatable {
    /// The gate's own number for it; nil for a request like any other.
    public let number: Int?
    /// Whether it stood back for others.
    public let isYielding: Bool

    /// A pass with a number that only the gate has a meaning for.
    public init(number: Int? = nil, isYielding: Bool = false) {
        self.number = number
        self.isYielding = isYielding
    }
}

/// How a request ended, as far as its upstream's health is concerned.
public enum HTTPRequestEnd: Sendable, Equatable {
    case answered(status: Int, retryAfter: Duration?)
    case failed(HTTPError)
}

/// A request that was not sent, to spare its upstream or because it is known to be down. Nothing was dialled.
public struct Withheld: Error, Sendable, Equatable {
    /// Stable: `breaker.open`, `budget.paused`, `budget.exhausted`.
    public let code: String
    /// Whose request: `rekor https://rekor.example.com`.
    public let upstream: String
    /// What was seen.
    public let observed: String
    /// How long it is of no use to ask again.
    public let after: Duration

    /// A refusal in the words of whoever keeps the gate.
    public init(code: String, upstream: String, observed: String, after: Duration) {
        self.code = code
        self.upstream = upstream
        self.observed = observed
        self.after = after
    }
}
