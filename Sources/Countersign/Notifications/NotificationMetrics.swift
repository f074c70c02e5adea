/// Figures of the notifications.
package struct NotificationMetrics: Sendable {
    /// Deliveries by receiver and result: `delivered`, `failed` (it will be repeated), `given_up`.
    let delivered: Counter
    /// Events that wait for a receiver.
    let waiting: Gauge
    /// How long the oldest of them has waited: the figure to alert on.
    let oldest: Gauge
    private let registry: MetricsRegistry

    /// - Parameter sinks: of the configuration: what was delivered to them is shown from the start.
    package init(_ registry: MetricsRegistry, sinks: [String] = []) {
        self.registry = registry
        delivered = registry.counter(
            "countersign_notifications_total", "Notifications by receiver and result.", labels: ["sink", "result"])
        waiting = registry.gauge(
            "countersign_notifications_waiting", "Events that wait for a receiver.", labels: ["sink"])
        oldest = registry.gauge(
            "countersign_notifications_oldest_seconds", "How long the oldest event has waited.", labels: ["sink"])
        for sink in sinks {
            for result in ["delivered", "failed", "given_up"] { delivered.initialize(sink, result) }
        }
    }

    /// Asks the outbox at each scrape. What cannot be asked is absent, not old.
    package func collect(from outbox: Outbox) {
        registry.collect { [waiting, oldest] in
            waiting.clear()
            oldest.clear()
            guard let backlog = try? await outbox.backlog() else { return }
            for (sink, events, age) in backlog {
                waiting.set(Double(events), sink)
                oldest.set(age / .seconds(1), sink)
            }
        }
    }
}
