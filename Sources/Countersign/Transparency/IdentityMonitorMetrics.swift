/// What an operator sees of the identity monitor.
package struct IdentityMonitorMetrics: Sendable {
    let entries: Counter
    let ours: Counter
    let foreign: Counter
    let unreadable: Counter
    let index: Gauge
    let behind: Gauge
    let failures: Counter

    package init(_ registry: MetricsRegistry) {
        entries = registry.counter(
            "countersign_monitor_entries_total", "Log entries that were looked at.", labels: ["log"])
        ours = registry.counter(
            "countersign_monitor_own_entries_total", "Log entries under our identities that our records explain.",
            labels: ["log"])
        foreign = registry.counter(
            "countersign_monitor_foreign_entries_total", "Log entries under our identities that nothing explains.",
            labels: ["log"])
        unreadable = registry.counter(
            "countersign_monitor_unreadable_entries_total",
            "Log entries that were passed over: of kinds that are not read, or not to be read as what they say.",
            labels: ["log", "kind", "why"])
        index = registry.gauge("countersign_monitor_index", "The next index to read.", labels: ["log"])
        behind = registry.gauge(
            "countersign_monitor_behind", "Entries of the log that are not read yet.", labels: ["log"])
        failures = registry.counter(
            "countersign_monitor_failures_total", "Looks at a log that failed, by code.", labels: ["log", "code"])
    }

    /// Shows what alerts read of a log, before it fails for the first time.
    func follow(_ log: String) {
        for code in ["rekor.unavailable", "rekor.bad_answer"] { failures.initialize(log, code) }
    }

    /// Counts what was read, once that is written down: what has to be read again is no progress.
    func count(_ look: LookedAt, unknown: Int, in log: String, from start: Int64, to next: Int64, of size: Int64) {
        entries.increment(log, by: Double(next - start))
        ours.increment(log, by: Double(look.found.count - unknown))
        for (kind, why) in look.passedOver { unreadable.increment(log, kind, why) }
        index.set(Double(next), log)
        behind.set(Double(max(0, size - next)), log)
    }
}
