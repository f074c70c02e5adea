import FoundationEssentials
package import Logging
package import OCI
import Postgres
import ServiceLifecycle

/// Looks for images that no webhook told of:
///
///     a registry is due → its repositories (catalog, page by page, or the names that are known)
///     a repository is due → its tags, page by page → where does each point? → what nobody told of: ▮queue, bulk lane
///
/// ▮ is one commit with the page's place in the listing: whoever dies, the next goes on there, and asks a page a second time at
/// the worst. What is in the queue is a push like any other: policy is asked again, signatures of ours are adopted.
///
/// Every daemon runs one. One at a time sweeps a registry, so that its rate is that of all together.
package struct Sweep: Service {
    let queue: JobQueue
    let plan: SweepPlan
    let registries: Registries
    let settings: ReconcileConfiguration.Sweep
    let turns: Turns
    let metrics: SweepMetrics
    let logger: Logger
    private let poll: Duration

    /// Tags that are asked for at once.
    static let questionLimit = 8
    /// The word of this work in `error.stage`.
    static let stage = "sweep"
    /// What a repository that nobody asked for again is left after a failure: it doubles up to the longest.
    private static let shortestPause: Duration = .seconds(10)
    private static let longestPause: Duration = .seconds(900)
    /// Failures in a row after which a request counts as answered, with the error.
    static let requestPatience = 5
    /// Failures of one page in a row after which a tag that the registry answers with an error is passed over, if it answers
    /// others.
    static let tagPatience = 3
    /// The same where it answers none of the page, which looks like a registry that is down.
    static let pagePatience = 10
    /// Of a sweep that passed over a tag.
    static let tagUnreadableCode = "sweep.tag_unreadable"
    /// Of a sweep of a repository that the registry says it does not have.
    static let repositoryUnknownCode = "sweep.repository_unknown"

    package init(
        queue: JobQueue, plan: SweepPlan, registries: Registries, settings: ReconcileConfiguration.Sweep,
        metrics: SweepMetrics, poll: Duration = .seconds(1), logger: Logger
    ) {
        self.queue = queue
        self.plan = plan
        self.registries = registries
        self.settings = settings
        self.metrics = metrics
        self.poll = poll
        self.logger = logger
        turns = Turns(pool: queue.pool, holder: queue.worker)
    }

    package func run() async throws {
        guard !registries.all.isEmpty else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for (name, client) in registries.all {
                    group.addTask { await sweep(SweptRegistry(name: name, client: client, rate: settings.rate)) }
                }
            }
        }
    }

    private func sweep(_ registry: SweptRegistry) async {
        while !Task.isCancelled {
            var isBusy = false
            do {
                isBusy = try await step(registry)
            } catch {
                logger.error(
                    "the sweep stands still",
                    metadata: ["registry.host": "\(registry.name)", "error.code": "\(error.code)", "error": "\(error)"])
            }
            if !isBusy { try? await Task.sleep(for: poll * Double.random(in: 0.8..<1.2)) }
        }
        // a daemon that goes leaves its turn to the others at once; in a task of its own, because this one is cancelled
        await Task { try? await turns.release(registry.turn) }.value
    }

    /// The next bounded piece of work in one registry: a page of its catalog, or a page of one repository's tags.
    /// - Returns: whether there was one, and so may be another at once.
    package func step(_ registry: SweptRegistry) async throws(QueueError) -> Bool {
        var due = registry.course.repositoriesComeFirst ? try await dueRepository(of: registry) : nil
        let listing = due == nil ? try await dueListing(of: registry) : nil
        if due == nil, listing == nil { due = try await dueRepository(of: registry) }
        guard listing != nil || due != nil, try await turns.take(registry.turn) else { return false }
        if let due { registry.course.takes(asked: due.requestedAt != nil) }
        do {
            // whoever signs a push goes first at the registry
            try await Lane.$ofAttempt.withValue(.bulk) {
                if let listing {
                    try await list(listing, registry)
                } else if let due {
                    try await page(of: due, registry)
                }
            }
        } catch let error as QueueError where error.isTransient {
            throw error
        } catch is CancellationError {
            return false
        } catch {
            if Task.isCancelled { return false }
            let failed = AttemptFailure(StageFailure(stage: .resolve, underlying: error))
            // whoever asked for the sweep hears of a registry that is away; of one that is busy its turn comes
            if case .withheld(let time) = failed.verdict, failed.failure.code != DependencyGate.openCode {
                if let due {
                    try await putOff(due, registry, for: max(time, poll))
                } else {
                    try await putOff(listingOf: registry, for: max(time, poll))
                }
                return true
            }
            // a listing that the database refuses is refused at every look: it waits as one that could not be read
            let fix =
                error is QueueError
                ? "report this with what the registry listed: the database does not take it" : failed.failure.fix
            let failure = Failure(
                code: failed.failure.code, stage: Self.stage, observed: failed.failure.observed, fix: fix)
            metrics.failures.increment(registry.name, failure.code)
            logger.warning(
                "a listing failed",
                metadata: [
                    "registry.host": "\(registry.name)", "repository": "\(due?.repository.description ?? "")",
                    "error.code": "\(failure.code)", "error": "\(failure.observed)",
                ])
            let pause = pause(after: listing?.failures ?? due?.failures ?? 0, (error as? OCIError)?.retryAfter)
            if listing != nil {
                try await note(failure, registry, again: pause)
            } else if let due {
                try await note(failure, due, registry, again: pause)
            }
        }
        return true
    }

    private func pause(after failures: Int, _ asked: Duration?) -> Duration {
        let span = min(Self.longestPause, Self.shortestPause * (1 << min(max(failures, 0), 10)))
        return max(span * Double.random(in: 0.5..<1), min(asked ?? .zero, Self.longestPause))
    }
}

/// A registry of the configuration, as it is swept.
package struct SweptRegistry: Sendable {
    package let name: String
    let client: RegistryClient
    let pacer: Pacer
    let course = SweepCourse()

    package init(name: String, client: RegistryClient, rate: Int) {
        self.name = name
        self.client = client
        pacer = Pacer(rate: rate)
    }

    var turn: String { "sweep:\(name)" }
}

/// What an operator sees of the sweeps.
package struct SweepMetrics: Sendable {
    let tags: Counter
    let missed: Counter
    let moved: Counter
    let failures: Counter
    let sweeps: Counter

    /// - Parameter registries: of the configuration: their series are shown from the start.
    package init(_ registry: MetricsRegistry, registries: [String] = []) {
        sweeps = registry.counter(
            "countersign_sweeps_total", "Whole sweeps of repositories.", labels: ["registry"])
        tags = registry.counter(
            "countersign_sweep_tags_total", "Tags that a sweep asked for.", labels: ["registry"])
        missed = registry.counter(
            "countersign_sweep_missed_total", "Digests that no webhook told of.", labels: ["registry"])
        moved = registry.counter(
            "countersign_sweep_moved_total", "Tags that were found to point elsewhere.", labels: ["registry"])
        failures = registry.counter(
            "countersign_sweep_failures_total", "Listings that failed, by code.", labels: ["registry", "code"])
        for name in registries {
            for counter in [sweeps, tags, missed, moved] { counter.initialize(name) }
            for code in Self.usualFailures { failures.initialize(name, code) }
        }
    }

    /// What registries answer in place of a listing.
    private static let usualFailures = [
        "registry.unavailable", "registry.throttled", "registry.unauthorized", "registry.forbidden",
        "registry.not_found", "registry.refused", "registry.unexpected_answer",
    ]
}
