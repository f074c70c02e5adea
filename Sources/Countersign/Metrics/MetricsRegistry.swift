import Synchronization

/// All figures of one daemon, and their text in Prometheus' exposition format 0.0.4.
///
/// Written by hand: the format is four rules, and a lock around a dictionary is enough at some thousand updates a second.
package final class MetricsRegistry: Sendable {
    private struct State {
        var families: [MetricFamily] = []
        var collectors: [@Sendable () async -> Void] = []
        var scrape: Task<String, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    package func counter(_ name: String, _ help: String, labels: [String] = []) -> Counter {
        Counter(family: add(MetricFamily(name, help, .counter, labels: labels)))
    }

    package func gauge(_ name: String, _ help: String, labels: [String] = []) -> Gauge {
        Gauge(family: add(MetricFamily(name, help, .gauge, labels: labels)))
    }

    /// - Parameter buckets: upper bounds, ascending, `+Inf` left out.
    package func histogram(
        _ name: String, _ help: String, labels: [String] = [], buckets: [Double] = Histogram.seconds
    ) -> Histogram {
        Histogram(family: add(MetricFamily(name, help, .histogram(buckets), labels: labels)))
    }

    /// Adds what has to be asked for at each scrape (the depth of the queue, the counters of a client). It is kept as long as
    /// the registry, so it holds the figures that it sets and not what holds the registry: that would keep both for ever.
    package func collect(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { $0.collectors.append(body) }
    }

    /// Runs the collectors, then renders everything.
    ///
    /// Who asks while that is under way gets the same text: a collector that clears its gauges and asks anew would take them out
    /// of the other's, where "absent" means that they could not be asked for.
    package func scrape() async -> String {
        await state.withLock { state in
            if let running = state.scrape { return running }
            let collectors = state.collectors
            let scrape = Task {
                for collector in collectors { await collector() }
                let text = render()
                self.state.withLock { $0.scrape = nil }
                return text
            }
            state.scrape = scrape
            return scrape
        }.value
    }

    /// The text of all families in the order they were made; series by their labels.
    package func render() -> String {
        state.withLock(\.families).map(\.text).joined()
    }

    private func add(_ family: MetricFamily) -> MetricFamily {
        state.withLock { $0.families.append(family) }
        return family
    }
}

/// Only ever grows, until the process ends.
package struct Counter: Sendable {
    let family: MetricFamily

    package func increment(_ labels: String..., by amount: Double = 1) { family.add(amount, labels) }

    /// Shows a series before its first event: of one that begins with the event, `increase()` does not see it.
    package func initialize(_ labels: String...) { family.initialize(labels) }

    /// Takes over a total that somebody else counts. Never goes back.
    package func advance(_ labels: String..., to total: Double) { family.raise(to: total, labels) }

    /// For status pages and tests.
    package func value(_ labels: String...) -> Double { family.value(labels) }

    /// All series with their label values.
    package var series: [(labels: [String], value: Double)] { family.values }
}

/// Goes up and down.
package struct Gauge: Sendable {
    let family: MetricFamily

    package func set(_ value: Double, _ labels: String...) { family.set(value, labels) }
    package func value(_ labels: String...) -> Double { family.value(labels) }
    /// Whether there is such a series.
    package func shows(_ labels: String...) -> Bool { family.shows(labels) }
    /// Forgets all series: a figure that could not be asked for must be absent, not old.
    package func clear() { family.clear() }
    /// Forgets one series: what another daemon does now is not this one's to show.
    package func remove(_ labels: String...) { family.remove(labels) }
}

/// How observations spread over fixed bounds.
package struct Histogram: Sendable {
    let family: MetricFamily

    /// 1 ms … 60 s: a commit takes milliseconds, a Rekor answer a fraction of a second, a retry seconds.
    package static let seconds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    package func observe(_ value: Double, _ labels: String...) { family.observe(value, labels) }
    package func observe(_ span: Duration, _ labels: String...) { family.observe(span / .seconds(1), labels) }
    package func count(_ labels: String...) -> Int { family.count(labels) }
}
