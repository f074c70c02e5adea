import FoundationEssentials

/// What an operator sees of the trust material. `countersign_trust_stale` above 0 is the alarm.
package struct TrustMetrics: Sendable {
    /// 1 while the last look for a rotation failed and older material is in use.
    let stale: Gauge
    /// Looks that failed, by code.
    let failures: Counter
    /// Rotations followed since the start.
    let rotations: Counter
    /// When the source was last read and understood.
    let lastRead: Gauge
    /// When the word of each TUF role ends; after the first of them nothing new is signed.
    let expires: Gauge

    package init(_ registry: MetricsRegistry) {
        stale = registry.gauge(
            "countersign_trust_stale", "1 while trust material could not be refreshed and the old one is in use.")
        failures = registry.counter(
            "countersign_trust_refresh_failures_total", "Refreshes of trust material that failed, by code.",
            labels: ["code"])
        rotations = registry.counter("countersign_trust_rotations_total", "Changed trust material that was taken over.")
        lastRead = registry.gauge(
            "countersign_trust_read_timestamp_seconds", "When trust material was last read and understood.")
        expires = registry.gauge(
            "countersign_trust_expires_timestamp_seconds", "When the word of a TUF role ends.", labels: ["role"])
    }

    func succeeded(_ trust: Trust) {
        stale.set(0)
        lastRead.set(Date().timeIntervalSince1970)
        for role in trust.roles { expires.set(role.expires.timeIntervalSince1970, role.name) }
    }

    func failed(_ code: String) {
        stale.set(1)
        failures.increment(code)
    }
}
