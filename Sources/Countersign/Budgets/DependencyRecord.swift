package import FoundationEssentials
import Postgres

/// The row of a dependency: its breaker, its budget and its last failure, as all daemons share them.
package struct DependencyRecord: Sendable, Equatable {
    package struct Failure: Sendable, Equatable {
        /// Such as `http.503` or `http.timeout`.
        package let code: String
        package let at: Date

        package init(code: String, at: Date) {
            self.code = code
            self.at = at
        }
    }

    package let dependency: Dependency
    package var breaker: CircuitBreaker
    package var bucket: TokenBucket
    package var failure: Failure?
    /// When the breaker last opened or closed.
    package var changedAt: Date
}

extension DependencyRecord {
    static let columns: Query = """
        kind, name, openings, open_until, probe_holder, probe_until, changed_at, failure_code, failed_at, tokens,
        refilled_at, slowed_rate, slowed_from, slowed_at, paused_until
        """

    // what a row says is counted with and turned into whole numbers: beyond these it was written by no daemon
    private static let mostOpenings = 1_000_000

    private static func bounded(_ value: Double, in range: ClosedRange<Double>) -> Double {
        value.isNaN ? range.lowerBound : min(max(value, range.lowerBound), range.upperBound)
    }

    init(_ row: Row) throws {
        guard let kind = Dependency.Kind(rawValue: try row.decode("kind")) else {
            throw QueueError.unreadable(table: "upstream", what: "kind")
        }
        dependency = Dependency(kind, try row.decode("name"))
        var probe: CircuitBreaker.Probe?
        if let holder = try row.decode("probe_holder", as: UUID?.self) {
            probe = .init(holder: holder, until: try row.decode("probe_until"))
        }
        breaker = CircuitBreaker(
            openings: min(Int(try row.decode("openings", as: Int32.self)), Self.mostOpenings),
            openUntil: try row.decode("open_until"),
            probe: probe)
        var slowed: TokenBucket.Slowed?
        if let rate = try row.decode("slowed_rate", as: Double?.self) {
            slowed = .init(
                rate: Self.bounded(rate, in: TokenBucket.rates),
                from: Self.bounded(try row.decode("slowed_from"), in: TokenBucket.rates),
                at: try row.decode("slowed_at"))
        }
        bucket = TokenBucket(
            tokens: Self.bounded(try row.decode("tokens"), in: 0...TokenBucket.rates.upperBound),
            refilledAt: try row.decode("refilled_at"), slowed: slowed,
            pausedUntil: try row.decode("paused_until"))
        failure = try row.decode("failure_code", as: String?.self).map {
            Failure(code: $0, at: try row.decode("failed_at"))
        }
        changedAt = try row.decode("changed_at")
    }
}
