/// How one dependency is treated, as the configuration says.
package struct DependencySettings: Sendable, Equatable {
    package var bucket = TokenBucket.Limits()
    /// Requests of all daemons together under way at once; nil: no bound of ours.
    package var concurrency: Int?
    package var breaker = CircuitBreaker.Limits()
    var window = FailureWindow.Limits()
    /// How long a job waits for a token before it goes back to the queue.
    package var wait: Duration = .seconds(2)

    package init() {}
}

extension BudgetConfiguration {
    /// The settings of a dependency: of the first entry that names it, or its kind.
    /// - Parameter longestPause: the longest that a Retry-After is obeyed.
    func settings(of dependency: Dependency, longestPause: Duration = .seconds(900)) -> DependencySettings {
        var settings = DependencySettings()
        settings.wait = wait
        settings.bucket.recovery = recovery
        settings.bucket.longestPause = longestPause
        (settings.breaker.open, settings.breaker.ceiling, settings.breaker.probe) = (
            breaker.open, breaker.ceiling, breaker.probe
        )
        settings.window = FailureWindow.Limits(
            inARow: breaker.failures, calls: breaker.calls, span: breaker.window, share: Double(breaker.share) / 100)
        let entry = upstreams.first { entry in
            entry.kind == dependency.kind
                && entry.name.map { Dependency(entry.kind, $0) == dependency } ?? true
        }
        settings.bucket.rate = entry?.rate
        settings.concurrency = entry?.concurrency
        return settings
    }
}
