package import Curl
import FoundationEssentials
import Synchronization

/// One daemon's gate to one dependency: asks its breaker and its budget before a request, and tells them how it ended.
///
/// In the common case a request costs no statement: the breaker is read with all others once a second, tokens come in
/// handfuls, concurrency is this daemon's share of what all may have (``ConcurrencyShare``). What changes something for
/// all (a breaker that opens or closes, a 429) is written at once.
package final class DependencyGate: HTTPGate {
    /// What counts against the budget.
    package enum Charge: Sendable {
        /// Every request: registries, Fulcio.
        case requests
        /// What ``admit()`` let in: a signature asks for its place in a log before it is made (``SigningServices``).
        case admissions
    }

    package let dependency: Dependency
    let settings: DependencySettings
    private let charge: Charge
    let board: DependencyBoard
    let slots: RequestSlots
    /// Whoever takes the next handful of tokens; the others wait for it in turn.
    let turn = RequestSlots(limit: 1)
    let state: Mutex<State>
    let yield = Mutex(BulkYield())

    init(_ dependency: Dependency, _ settings: DependencySettings, charge: Charge, board: DependencyBoard) {
        self.dependency = dependency
        self.settings = settings
        self.charge = charge
        self.board = board
        slots = RequestSlots(limit: settings.concurrency)
        state = Mutex(State(view: DependencyView(rate: settings.bucket.rate)))
    }

    /// Of an upstream that is away, as against one that is only busy.
    static let openCode = "breaker.open"
    /// Of a rate that is used up.
    static let exhaustedCode = "budget.exhausted"

    /// Where no rate is known, one too many is taken for that much a second at least.
    private static let leastObserved = 10.0

    // MARK: Before

    /// Leave for one use: the breaker is closed (or this is the trial), nobody asked us to wait, and a token is there.
    ///
    /// A short pause is waited for by a request in the midst of an attempt: given up, it would cost the attempt, and all its
    /// requests would be made again; a registry that says "in a second" now and then would never see one come to its end.
    /// - Parameter uses: that come together, as the entries of one signature in two formats: one is waited for, and the rate
    ///   pays for all.
    /// - Throws: ``Withheld``, after at most ``patience`` in line and one `wait` for a token.
    @discardableResult
    package func admit(uses: Int = 1) async throws(Withheld) -> Admission {
        let deadline = ContinuousClock.now + patience
        while true {
            await board.freshen()
            let now = ContinuousClock.now
            let (phase, pause, isProbing) = state.withLock {
                ($0.view.phase(at: now), $0.view.pause(at: now), $0.trial.map { now < $0.until } ?? false)
            }
            if case .open(let until) = phase { throw open(for: max(until - now, pause ?? .zero)) }
            if let pause {
                try await waitOut(pause, by: deadline)
                continue
            }
            guard phase == .halfOpen else {
                try await takeToken(by: deadline)
                await charge(uses - 1)
                return Admission(gate: self, trial: nil)
            }
            // one trial at a time, here and in all other daemons; for one that can make it at once
            guard !isProbing, hasPlace, let admission = await probe() else {
                throw open(for: max(.seconds(1), settings.breaker.probe / 3))
            }
            return admission
        }
    }

    /// How long a use waits for its turn. An attempt under way has done much already, and comes to its end only if its
    /// requests get their turns.
    private var patience: Duration { settings.wait * (charge == .requests ? Self.waitsOfAttempt : 1) }

    /// How often `wait` a request of an attempt stands in line.
    static let waitsOfAttempt = 15

    func waitOut(_ pause: Duration, by deadline: ContinuousClock.Instant) async throws(Withheld) {
        guard charge == .requests, pause <= settings.wait, .now + pause <= deadline, !Task.isCancelled else {
            throw paused(for: pause)
        }
        // those who wait for the same moment do not all come in it
        try? await Task.sleep(for: pause + pause * Double.random(in: 0..<0.25))
    }

    /// Asked before anything is done for a use: is it known to be of no use now? Takes nothing; ``admit()`` has the last word.
    /// - Throws: ``Withheld`` while the breaker is open, or we were asked to wait.
    func askFirst() async throws(Withheld) {
        await board.freshen()
        guard let refusal = refusalNow else { return }
        board.withheld(dependency, refusal.code)
        throw refusal
    }

    /// Asked by whoever has time: nothing is in its way, not even the trial of a breaker that is half-open.
    /// - Throws: ``Withheld``.
    func standBack() async throws(Withheld) {
        try await askFirst()
        guard phase == .closed else { throw open(for: max(.seconds(1), settings.breaker.probe / 3)) }
    }

    package func enter() async throws(HTTPError) -> HTTPPass {
        var admission: Admission?
        do throws(Withheld) {
            if charge == .requests { admission = try await admit() }
        } catch {
            throw .withheld(error)
        }
        let isYielding = dependency.kind == .registry && Lane.ofAttempt == .bulk
        guard await slots.take(yielding: isYielding) else {
            await admission?.forgo()
            throw .cancelled(url: dependency.name, answerMayBeLost: false)
        }
        WorkerHeartbeat.ofAttempt?.advanced()
        return HTTPPass(number: admission?.trial, isYielding: isYielding)
    }

    /// - Returns: leave for the trial, or for an ordinary use if another daemon's trial has closed the breaker meanwhile.
    private func probe() async -> Admission? {
        let (holder, limits) = (board.daemon, settings.breaker)
        do {
            let granted = try await board.ledger.change(dependency) { record, now in
                record.breaker.grantProbe(to: holder, at: now, limits)
            }
            adopt(granted.record, readAt: granted.now)
            guard granted.value else {
                let isClosed = granted.record.breaker.state(at: granted.now) == .closed
                return isClosed ? Admission(gate: self, trial: nil) : nil
            }
            let number = state.withLock { state in
                state.trials += 1
                state.trial = Trial(number: state.trials, until: .now + limits.probe)
                return state.trials
            }
            return Admission(gate: self, trial: number)
        } catch {
            board.couldNotWrite(dependency, error)
            return nil
        }
    }

    /// Gives up a trial that was not made; one that has ended meanwhile stays as it ended.
    func forgo(_ trial: Int) async {
        let isHeld = state.withLock { state in
            guard state.trial?.number == trial else { return false }
            state.trial = nil
            return true
        }
        guard isHeld else { return }
        let holder = board.daemon
        do {
            _ = try await board.ledger.change(dependency) { record, _ in record.breaker.forgo(by: holder) }
        } catch {
            // after `breaker.probe` somebody else gets it all the same
            board.couldNotWrite(dependency, error)
        }
    }

    // MARK: After

    package func leave(_ end: HTTPRequestEnd, _ pass: HTTPPass) {
        slots.release(yielding: pass.isYielding)
        WorkerHeartbeat.ofAttempt?.advanced()
        let verdict = DependencyVerdict(end)
        note(verdict)
        // a request that ended by our own doing was no trial; what another one tries is not its to give up
        guard verdict == .neutral, let trial = pass.number else { return }
        Task { await forgo(trial) }
    }

    /// Takes note of how a use ended.
    func note(_ verdict: DependencyVerdict) {
        guard verdict != .neutral else { return }
        let now = ContinuousClock.now
        let (change, observed) = state.withLock { state -> (Change?, Double) in
            // what little was asked of it says nothing of what it can bear
            let observed = max(state.window.rate(at: now), Self.leastObserved)
            let change = state.note(verdict, at: now, settings)
            if change != nil || verdict.pause != nil || verdict.isTooMuch { state.writes += 1 }
            return (change, observed)
        }
        guard change != nil || verdict.pause != nil || verdict.isTooMuch else { return }
        Task { await write(change, verdict, observed: observed) }
    }

    /// Tells all daemons, and those who waited.
    private func write(_ change: Change?, _ verdict: DependencyVerdict, observed: Double) async {
        let (daemon, settings, random) = (board.daemon, settings, Double.random(in: 0..<1))
        var isWritten = false
        defer { state.withLock { $0.ended(isWritten: isWritten) } }
        do {
            let written = try await board.ledger.change(dependency) { record, now -> Bool in
                if let code = verdict.code { record.failure = .init(code: code, at: now) }
                if verdict.isTooMuch {
                    record.bucket.throttled(
                        observed: observed, retryAfter: verdict.pause, at: now, settings.bucket)
                } else if let pause = verdict.pause {
                    record.bucket.pause(for: pause, at: now, settings.bucket)
                }
                let isChanged =
                    switch change {
                    case .trip: record.breaker.trip(by: daemon, at: now, random: random, settings.breaker)
                    case .close: record.breaker.close(by: daemon)
                    case nil: false
                    }
                if isChanged { record.changedAt = now }
                return isChanged
            }
            isWritten = true
            adopt(written.record, readAt: written.now, isWriter: true)
            guard written.value else { return }
            switch change {
            case .trip(let code): board.opened(dependency, code, written.record, at: written.now)
            case .close: await board.closed(dependency)
            case nil: break
            }
        } catch {
            board.couldNotWrite(dependency, error)
        }
    }

    // MARK: Between

    /// Takes over what a change of ours found in the row, unless something newer is on its way there.
    func adopt(_ record: DependencyRecord, readAt time: Date, isWriter: Bool = false) {
        let view = DependencyView(record, readAt: time, settings.bucket, now: .now)
        state.withLock { $0.adopt(changed: view, readAt: time, isWriter: isWriter) }
    }

    /// Asked for when a look at the row begins: what it finds is taken over with this.
    var returned: Int { state.withLock(\.returned) }

    /// Takes over what a look at the row found, unless we know better.
    func adopt(looked record: DependencyRecord, readAt time: Date, whenReturned returned: Int) {
        let view = DependencyView(record, readAt: time, settings.bucket, now: .now)
        state.withLock { $0.adopt(looked: view, readAt: time, whenReturned: returned) }
    }

    /// This daemon's share of what all may have under way. A daemon that died has none after three heartbeats: there is
    /// nothing to give back.
    func share(among daemons: LivingDaemons, turn: Duration) {
        guard let limit = settings.concurrency else { return }
        let now = ContinuousClock.now
        let share = ConcurrencyShare(limit: limit, daemons: daemons.count, rank: daemons.rank, turn: turn)
        let places = share.places(at: daemons.time(at: now))
        slots.limit(to: places.count, until: places.lasting.map { now + $0 })
    }

    /// Whether anything may be under way here now: with more daemons than places, these go round.
    var hasPlace: Bool { slots.isOpen }

    var phase: DependencyView.Phase { state.withLock { $0.view.phase(at: .now) } }
    var rate: Double? { state.withLock(\.view.rate) }
    var pause: Duration? { state.withLock { $0.view.pause(at: .now) } }
    var underWay: Int { slots.taken }
    var standingInLine: Int { slots.queued }

    private func open(for time: Duration) -> Withheld {
        board.withheld(dependency, Self.openCode)
        return refusal(for: time)
    }

    /// What those are told who come while the breaker is open.
    private func refusal(for time: Duration) -> Withheld {
        let failure = state.withLock(\.view.lastFailure) ?? "not answering"
        return Withheld(
            code: Self.openCode, upstream: dependency.description,
            observed: "\(dependency) is taken for down (\(failure)); it is tried again in \(time.inSeconds) s",
            after: max(time, .zero))
    }

    private func paused(for time: Duration) -> Withheld {
        board.withheld(dependency, "budget.paused")
        return refusal(whilePaused: time)
    }

    private func refusal(whilePaused time: Duration) -> Withheld {
        Withheld(
            code: "budget.paused", upstream: dependency.description,
            observed: "\(dependency) asks to wait, for \(time.inSeconds) s more", after: time)
    }

    /// Why nothing is asked of it now; nil: it may be asked.
    var refusalNow: Withheld? {
        let now = ContinuousClock.now
        let (phase, pause) = state.withLock { ($0.view.phase(at: now), $0.view.pause(at: now)) }
        if case .open(let until) = phase { return refusal(for: max(until - now, pause ?? .zero)) }
        return pause.map(refusal(whilePaused:))
    }

    /// Whether more requests stand in line already than get their turn in time. Those of the bulk lane stand behind all others.
    var isCrowded: Bool { isTooMuch(turn.queued - turn.queuedYielding) }

    /// The same of those of the bulk lane alone.
    var isCrowdedByBulk: Bool { isTooMuch(turn.queuedYielding) }

    private func isTooMuch(_ queued: Int) -> Bool {
        shareOfRate.map { Double(queued) > max(1, $0 * (settings.wait / .seconds(1))) } ?? false
    }

    /// What of the rate comes to the line of this daemon, while each of them has one.
    private var shareOfRate: Double? { rate.map { $0 / Double(board.livingDaemons) } }

    /// Those who stand in line before it go first.
    func exhausted(_ wait: Duration) -> Withheld {
        let before = turn.queued - (Lane.ofAttempt == .bulk ? 0 : turn.queuedYielding)
        let wait = wait + .seconds(Double(max(0, before)) / max(shareOfRate ?? 1, 0.1))
        let rate = rate.map { " of \(($0 * 10).rounded() / 10) a second" } ?? ""
        board.withheld(dependency, Self.exhaustedCode)
        return Withheld(
            code: Self.exhaustedCode, upstream: dependency.description,
            observed: "the budget\(rate) of \(dependency) is used up", after: wait)
    }
}

extension Duration {
    /// Seconds with one decimal, for people.
    fileprivate var inSeconds: Double { (self / .milliseconds(100)).rounded() / 10 }
}
