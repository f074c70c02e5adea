import FoundationEssentials
package import Hummingbird

/// `GET /v1/upstreams`: what is asked of each service and registry by all daemons together, and which are not asked now.
package struct UpstreamsController: RouteSet {
    private let ledger: DependencyLedger
    private let queue: JobQueue
    private let budgets: BudgetConfiguration
    private let authority: Authority

    package init(ledger: DependencyLedger, queue: JobQueue, budgets: BudgetConfiguration, authority: Authority) {
        self.ledger = ledger
        self.queue = queue
        self.budgets = budgets
        self.authority = authority
    }

    package func addRoutes(to router: Router<ServiceContext>) {
        router.get("/v1/upstreams") { request, _ in
            _ = try await authority.require(.viewer, for: request)
            let board = try await ledger.board()
            let waiting = try await queue.withheldJobs()
            return try Response.json(
                UpstreamsAnswer(
                    daemons: board.daemons,
                    upstreams: board.records.map { record in
                        UpstreamAnswer(
                            record, at: board.now, waiting: waiting[record.dependency.description] ?? 0,
                            budgets.settings(of: record.dependency))
                    }))
        }
    }
}

private struct UpstreamsAnswer: Encodable {
    let daemons: Int
    let upstreams: [UpstreamAnswer]
}

private struct UpstreamAnswer: Encodable {
    let upstream, kind, name, breaker: String
    let openings: Int
    let changedAt: Date
    let nextProbeAt: Date?
    let lastFailure: LastFailure?
    let rate: Double?
    let concurrency: Int?
    let pausedUntil: Date?
    let waiting: Int

    struct LastFailure: Encodable {
        let code: String
        let at: Date
    }

    enum CodingKeys: String, CodingKey {
        case upstream, kind, name, breaker, openings, rate, concurrency, waiting
        case changedAt = "changed_at"
        case nextProbeAt = "next_probe_at"
        case lastFailure = "last_failure"
        case pausedUntil = "paused_until"
    }

    init(_ record: DependencyRecord, at now: Date, waiting: Int, _ settings: DependencySettings) {
        upstream = record.dependency.description
        kind = record.dependency.kind.rawValue
        name = record.dependency.name
        breaker =
            switch record.breaker.state(at: now) {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half_open"
            }
        openings = record.breaker.openings
        changedAt = record.changedAt
        nextProbeAt = record.breaker.retryAt
        lastFailure = record.failure.map { LastFailure(code: $0.code, at: $0.at) }
        rate = record.bucket.rate(at: now, settings.bucket)
        concurrency = settings.concurrency
        pausedUntil = record.bucket.pausedUntil.flatMap { now < $0 ? $0 : nil }
        self.waiting = waiting
    }
}
