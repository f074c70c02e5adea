/// Figures of budgets and breakers. The label `upstream` is of the configuration: `rekor https://rekor.example.com`.
package struct BudgetMetrics: Sendable {
    let registry: MetricsRegistry
    /// 0 closed, 1 half-open, 2 open.
    let breaker: Gauge
    /// Requests a second of all daemons together; absent where there is no limit.
    let rate: Gauge
    let paused: Gauge
    /// Of this daemon.
    let underWay: Gauge
    /// Of this daemon; absent while the bulk lane has no limit of its own.
    let bulkLimit: Gauge
    let changes: Counter
    package let withheld: Counter
    /// What budgets cost the database: looks at the table, handfuls of tokens, changes.
    package let statements: Counter

    package init(_ registry: MetricsRegistry) {
        self.registry = registry
        breaker = registry.gauge(
            "countersign_breaker_state", "Whether an upstream is asked: 0 closed, 1 half-open, 2 open.",
            labels: ["upstream"])
        rate = registry.gauge(
            "countersign_budget_rate", "Requests a second that all daemons together may make.", labels: ["upstream"])
        paused = registry.gauge(
            "countersign_budget_paused_seconds", "How long an upstream still asks to wait.", labels: ["upstream"])
        underWay = registry.gauge(
            "countersign_upstream_requests", "Requests of this daemon under way.", labels: ["upstream"])
        bulkLimit = registry.gauge(
            "countersign_bulk_requests_limit",
            "Bulk requests enter while fewer requests than this are under way; absent unless notifications lag.",
            labels: ["upstream"])
        changes = registry.counter(
            "countersign_breaker_changes_total", "Breakers that this daemon opened or closed.",
            labels: ["upstream", "to"])
        statements = registry.counter(
            "countersign_budget_statements_total", "Transactions that budgets and breakers cost.")
        withheld = registry.counter(
            "countersign_withheld_total", "Requests that were not made, by code.", labels: ["upstream", "code"])
    }
}
