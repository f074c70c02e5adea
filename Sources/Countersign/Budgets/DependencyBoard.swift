import FoundationEssentials
import Logging
import Synchronization

/// What the gates of one daemon share: the table, the last look at it, and whom to tell.
final class DependencyBoard: Sendable {
    let ledger: DependencyLedger
    private let queue: JobQueue
    private let settings: Settings
    private let metrics: BudgetMetrics
    private let logger: Logger
    private let state = Mutex(State())

    struct Settings: Sendable {
        /// How old what is believed of the others may be.
        var cacheAge: Duration = .seconds(1)
        /// A daemon that was not heard of for so long counts no more.
        var living: Duration = .seconds(30)
        /// How long a place is one daemon's, where there are more daemons than places.
        var turn: Duration = .seconds(10)
    }

    private struct Known {
        weak var gate: DependencyGate?
    }

    private struct State {
        var gates: [Dependency: Known] = [:]
        var readAt: ContinuousClock.Instant?
        var daemons: LivingDaemons?
        var look: Task<Void, Never>?
    }

    init(queue: JobQueue, settings: Settings, metrics: BudgetMetrics, logger: Logger) {
        self.queue = queue
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        ledger = DependencyLedger(pool: queue.pool, statements: metrics.statements)
    }

    /// Who holds a trial.
    var daemon: UUID { queue.worker }

    func add(_ gate: DependencyGate) {
        state.withLock { $0.gates[gate.dependency] = Known(gate: gate) }
        share()
    }

    /// Daemons that are alive, this one among them; alone until the table was looked at.
    var livingDaemons: Int { state.withLock { $0.daemons?.count ?? 1 } }

    var gates: [DependencyGate] {
        state.withLock { $0.gates.values.compactMap(\.gate) }.sorted {
            $0.dependency.description < $1.dependency.description
        }
    }

    // MARK: Reading

    /// Looks at the table if the last look is too old. One caller looks; the others go on with what they have, if they
    /// have anything.
    func freshen() async {
        let look: Task<Void, Never>? = state.withLock { state in
            if let look = state.look { return state.readAt == nil ? look : nil }
            guard state.readAt.map({ .now - $0 >= settings.cacheAge }) ?? true else { return nil }
            // in a task of its own: whoever asks may be cancelled, the others want to know all the same
            let look = Task { await self.look() }
            state.look = look
            return look
        }
        await look?.value
    }

    /// What each gate's share of its limit is by now. Without a look at the table the places go round as well.
    func share() {
        guard let daemons = state.withLock(\.daemons) else { return }
        for gate in gates { gate.share(among: daemons, turn: settings.turn) }
    }

    /// One look at the table, for all gates.
    private func look() async {
        defer { state.withLock { $0.look = nil } }
        let gates = gates.map { (gate: $0, returned: $0.returned) }
        let asked = ContinuousClock.now
        do {
            let board = try await ledger.board(livingWithin: settings.living, of: daemon)
            let records = Dictionary(board.records.map { ($0.dependency, $0) }) { $1 }
            for (gate, returned) in gates {
                if let record = records[gate.dependency] {
                    gate.adopt(looked: record, readAt: board.now, whenReturned: returned)
                }
            }
            state.withLock { $0.daemons = LivingDaemons(board, asked: asked) }
            share()
            try await ledger.add(gates.map(\.gate.dependency).filter { records[$0] == nil })
            state.withLock { $0.readAt = .now }
        } catch {
            // what was known stands; whoever needs the database meets the same fault, and reports it
            logger.debug("budgets were not read", metadata: ["error.code": "\(error.code)"])
        }
    }

    // MARK: Telling

    func withheld(_ dependency: Dependency, _ code: String) {
        metrics.withheld.increment(dependency.description, code)
    }

    func couldNotWrite(_ dependency: Dependency, _ error: QueueError) {
        logger.warning(
            "a budget or breaker was not written; it holds in this daemon only",
            metadata: ["upstream": "\(dependency)", "error.code": "\(error.code)", "error": "\(error)"])
    }

    func opened(_ dependency: Dependency, _ failure: String, _ record: DependencyRecord, at now: Date) {
        let time = record.breaker.retryAt.map { Duration.seconds($0.timeIntervalSince(now)) } ?? .zero
        metrics.changes.increment(dependency.description, "open")
        logger.warning(
            "taken for down: nothing is asked of it for a while",
            metadata: [
                "event.code": "breaker.opened", "upstream": "\(dependency)", "error.code": "\(failure)",
                "breaker.openings": "\(record.breaker.openings)", "retry.ms": "\(time.inMilliseconds)",
            ])
    }

    /// Whoever waits for it is due now.
    func closed(_ dependency: Dependency) async {
        metrics.changes.increment(dependency.description, "closed")
        logger.notice(
            "it answers again", metadata: ["event.code": "breaker.closed", "upstream": "\(dependency)"])
        do {
            try await queue.wakeWithheld(by: dependency)
        } catch {
            logger.warning(
                "jobs were not woken; they come back by themselves",
                metadata: ["upstream": "\(dependency)", "error.code": "\(error.code)"])
        }
    }

    /// Looks whose the new repositories are.
    /// - Parameters:
    ///   - all: the others, too, and whether what waits for a cap may go on: the configuration may be another.
    ///   - learns: which tenants there are.
    /// - Returns: whether it was done.
    func assignTenants(all: Bool, learns: Bool) async -> Bool {
        do {
            if learns { try await queue.tenants.number(in: queue.pool) }
            try await queue.tenants.assign(all: all, in: queue.pool)
            if all { try await queue.wakeCapped() }
            return true
        } catch {
            logger.debug("tenants were not assigned", metadata: ["error.code": "\(error.code)"])
            return false
        }
    }

    /// Due jobs of a registry that is down, told to come back later: claims need not step over them.
    func park(_ registry: Dependency, _ failure: Failure, after time: Duration) async {
        do {
            try await queue.parkJobs(ofRegistry: registry.name, failure, after: time)
        } catch {
            logger.debug("jobs were not parked", metadata: ["upstream": "\(registry)", "error.code": "\(error.code)"])
        }
    }
}
