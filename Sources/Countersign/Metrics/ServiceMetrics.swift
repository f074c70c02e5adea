/// Every figure the daemon shows, by name: the one list for dashboards and alerts.
package struct ServiceMetrics: Sendable {
    package let registry: MetricsRegistry

    // Intake
    /// POSTs by endpoint and result: `stored`, `ignored`, or the code of the failure. A failure that goes on means that
    /// the registry behind it is stuck: distribution repeats a refused event for ever and holds back what follows.
    package let deliveries: Counter
    /// Events by endpoint and verdict: `accepted`, `known`, `refused`, `ignored`.
    package let events: Counter
    /// Why events were ignored, by endpoint and reason.
    package let ignored: Counter
    /// From the head of a delivery to its answer.
    package let deliverySeconds: Histogram
    /// Requests to the API that were refused, by code.
    package let apiRefused: Counter

    // Queue
    package let databaseUp: Gauge
    /// Jobs by state (`queued`, `signing`, `waiting`).
    package let queueDepth: Gauge
    /// Age of the oldest unfinished job.
    package let queueOldest: Gauge
    /// Targets by state.
    package let targets: Gauge

    // Signing
    /// Time in each stage of a signing (`fetch`, `certificate`, `sign`, `timestamp`, `log`, `verify`, `publish`, `read_back`).
    package let stageSeconds: Histogram
    /// From the push event to the moment a stock verifier can pass.
    package let pushToSigned: Histogram
    package let certificatesIssued: Counter
    /// Attempts that will be repeated, by class (`dependency`, `throttled`, `eventual`, `permanent`, `crash`).
    package let retries: Counter
    /// Ended attempts by outcome.
    package let outcomes: Counter
    /// Requests to registries, by registry and method.
    package let registryRequests: Counter

    package init(_ registry: MetricsRegistry = MetricsRegistry()) {
        self.registry = registry
        deliveries = registry.counter(
            "countersign_deliveries_total", "Webhook deliveries by endpoint and result.",
            labels: ["endpoint", "result"])
        events = registry.counter(
            "countersign_events_total", "Push events by endpoint and verdict.", labels: ["endpoint", "verdict"])
        ignored = registry.counter(
            "countersign_ignored_events_total", "Events that were understood and ignored.",
            labels: ["endpoint", "reason"])
        deliverySeconds = registry.histogram(
            "countersign_delivery_seconds", "From the head of a delivery to its answer.", labels: ["endpoint"])
        apiRefused = registry.counter(
            "countersign_api_refused_total", "API requests that were refused, by code.", labels: ["code"])
        databaseUp = registry.gauge("countersign_database_up", "Whether the database answered this scrape.")
        queueDepth = registry.gauge("countersign_queue_jobs", "Unfinished jobs by state.", labels: ["state"])
        queueOldest = registry.gauge("countersign_queue_oldest_age_seconds", "Age of the oldest unfinished job.")
        targets = registry.gauge("countersign_targets", "Artifacts by state.", labels: ["state"])
        stageSeconds = registry.histogram(
            "countersign_stage_seconds", "Time in each stage of a signing.", labels: ["stage"])
        pushToSigned = registry.histogram(
            "countersign_push_to_signed_seconds", "From the push event to a signature that verifies.")
        certificatesIssued = registry.counter(
            "countersign_certificates_issued_total", "Signing certificates taken from Fulcio.")
        retries = registry.counter("countersign_retries_total", "Attempts to be repeated, by class.", labels: ["class"])
        outcomes = registry.counter("countersign_outcomes_total", "Ended attempts by outcome.", labels: ["outcome"])
        registryRequests = registry.counter(
            "countersign_registry_requests_total", "Requests to registries.", labels: ["registry", "method"])
    }
}
