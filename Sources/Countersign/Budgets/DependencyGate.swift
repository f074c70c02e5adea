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

    // MARK: Between

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
}
