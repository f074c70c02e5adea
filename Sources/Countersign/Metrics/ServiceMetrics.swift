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
    /// From the time that an event bears, by the registry's clock, to its delivery.
    package let notificationDelay: Histogram
    /// Requests to the API that were refused, by code.
    package let apiRefused: Counter
    /// Readers that wait for a final state.
    package let apiWaiters: Gauge
    /// Readers that are told of a batch's progress.
    package let apiListeners: Gauge

    // Queue
    package let databaseUp: Gauge
    /// Unfinished jobs by lane and state (`queued`: due now, `waiting`: due later, `signing`: held).
    package let queueDepth: Gauge
    /// Since the push that made the oldest unfinished job, by lane.
    package let queueOldest: Gauge
    /// How long the oldest due job has been due, by lane: the number a user feels.
    package let queueLongestDue: Gauge
    /// Jobs that were given up and wait for somebody.
    package let deadLetters: Gauge

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
    /// Statements about several digests that were committed.
    package let groups: Counter
    /// Digests in them.
    package let groupSubjects: Counter

    /// - Parameter endpoints: of the configuration: what alerts read of them is shown from the start.
    package init(_ registry: MetricsRegistry = MetricsRegistry(), endpoints: [String] = []) {
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
        notificationDelay = registry.histogram(
            "countersign_notification_delay_seconds",
            "From the time that a registry's event bears, by its clock, to its delivery.", labels: ["endpoint"])
        apiRefused = registry.counter(
            "countersign_api_refused_total", "API requests that were refused, by code.", labels: ["code"])
        apiWaiters = registry.gauge("countersign_api_waiters", "API readers that wait for a final state.")
        apiListeners = registry.gauge(
            "countersign_api_listeners", "API readers that are told of a batch's progress.")
        databaseUp = registry.gauge("countersign_database_up", "Whether the database answered this scrape.")
        queueDepth = registry.gauge(
            "countersign_queue_jobs", "Unfinished jobs by lane and state.", labels: ["lane", "state"])
        queueOldest = registry.gauge(
            "countersign_queue_oldest_age_seconds", "Since the push that made the oldest job.", labels: ["lane"])
        queueLongestDue = registry.gauge(
            "countersign_queue_longest_due_seconds", "How long the oldest due job has been due.", labels: ["lane"])
        deadLetters = registry.gauge("countersign_dead_letters", "Jobs that were given up.")
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
        groups = registry.counter("countersign_groups_total", "Statements about several digests.")
        groupSubjects = registry.counter("countersign_group_subjects_total", "Digests in statements about several.")
        for endpoint in endpoints {
            for result in ["stored", "ignored"] + IntakeError.codesOfEndpoints {
                deliveries.initialize(endpoint, result)
            }
        }
        deliveries.initialize("unknown", IntakeError.unknownEndpoint.code)
        for name in RetryPolicy.Class.allCases.map(\.rawValue) + ["withheld"] { retries.initialize(name) }
        for name in Self.outcomeNames { outcomes.initialize(name) }
    }

    /// How an attempt may end.
    private static let outcomeNames = [
        "signed", "resolved", "retry", "refused", "gone", "failed", "broken", "withdrawn", "not_revoked", "released",
    ]
}

extension ServiceMetrics {
    /// Asks the queue at each scrape. What cannot be asked is absent, not old.
    package func collectQueue(from records: ArtifactRecords) {
        registry.collect { [queueDepth, queueOldest, queueLongestDue, deadLetters, databaseUp] in
            queueDepth.clear()
            queueOldest.clear()
            queueLongestDue.clear()
            deadLetters.clear()
            do {
                var oldest: [Lane: Duration] = [:]
                for depth in try await records.queueDepth() {
                    queueDepth.set(Double(depth.jobs), depth.lane.name, depth.state.rawValue)
                    oldest[depth.lane] = max(oldest[depth.lane] ?? .zero, depth.oldestAge)
                    if depth.state == .queued { queueLongestDue.set(depth.longestDue / .seconds(1), depth.lane.name) }
                }
                for (lane, age) in oldest { queueOldest.set(age / .seconds(1), lane.name) }
                deadLetters.set(Double(try await records.deadLetterCount()))
                databaseUp.set(1)
            } catch {
                databaseUp.set(0)
            }
        }
    }
}
