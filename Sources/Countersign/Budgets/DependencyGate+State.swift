import FoundationEssentials
import Synchronization

extension DependencyGate {
    /// What all daemons have to be told.
    enum Change: Sendable { case close, trip(code: String) }

    /// Leave for one use of a dependency; the one trial of a breaker that is half-open may be among them.
    package struct Admission: Sendable {
        let gate: DependencyGate
        /// Which trial of this daemon's; nil where it was no trial.
        let trial: Int?

        /// The use did not come about: a trial that nobody makes must not keep the others from making it.
        package func forgo() async { if let trial { await gate.forgo(trial) } }
    }

    /// A trial that this daemon has leave for.
    struct Trial: Sendable {
        let number: Int
        let until: ContinuousClock.Instant
    }

    /// What one daemon knows, and what it has in hand.
    struct State {
        var window = FailureWindow()
        var view: DependencyView
        /// By the database's clock: what was read before is no news.
        var viewedAt: Date?
        var tokens = 0
        var tokensUntil = ContinuousClock.now
        /// Ends by its answer, however late; whether it still counts the row decides.
        var trial: Trial?
        /// Trials so far.
        var trials = 0
        /// Changes that are on their way to the row: what is read meanwhile is older.
        var writes = 0
        /// Changes of ours that came back, so far: a look that began before one of them may not have seen it.
        var returned = 0
        /// What could not be written holds here all the same, for its time.
        var unwritten: DependencyView?
        /// The newest row that a write of ours read, while others were under way: their answers come in any order.
        var newestWritten: (view: DependencyView, at: Date)?
    }

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
}

extension DependencyGate.State {
    /// Takes over what a look at the row found, unless a change of ours is on its way there or came back since the look
    /// began. The times do not say whether the look saw it: they are of before the change's end.
    mutating func adopt(looked view: DependencyView, readAt time: Date, whenReturned: Int) {
        guard writes == 0, returned == whenReturned else { return }
        take(view, readAt: time)
    }

    /// Takes over what a change of ours read under the row's lock: while others are on their way there with the last
    /// answer, and then the newest of what they read.
    mutating func adopt(changed view: DependencyView, readAt time: Date, isWriter: Bool) {
        returned += 1
        var found = (view: view, at: time)
        if isWriter {
            if let newest = newestWritten, newest.at > time { found = newest }
            newestWritten = found
        }
        guard writes == (isWriter ? 1 : 0) else { return }
        newestWritten = nil
        take(found.view, readAt: found.at)
    }

    private mutating func take(_ found: DependencyView, readAt time: Date) {
        guard viewedAt.map({ $0 <= time }) ?? true else { return }
        (view, viewedAt) = (found, time)
        if let unwritten { view.holdsBack(as: unwritten, at: .now) }
    }

    /// A change has come back.
    /// - Parameter isWritten: else the row does not say what we know.
    mutating func ended(isWritten: Bool) {
        writes -= 1
        returned += 1
        if !isWritten { unwritten = view }
    }

    /// What the end of a use changes here, and what all daemons have to be told of it.
    mutating func note(
        _ verdict: DependencyVerdict, at now: ContinuousClock.Instant, _ settings: DependencySettings
    ) -> DependencyGate.Change? {
        let isProbing = trial != nil
        let isEnough = window.note(isFailure: verdict.code != nil, at: now, settings.window)
        if let pause = verdict.pause {
            view.pauses(until: now + min(pause, settings.bucket.longestPause))
            tokens = 0
        }
        guard let code = verdict.code else {
            guard isProbing else { return nil }
            trial = nil
            window.forget()
            view.closes()
            unwritten = nil
            return .close
        }
        // what was still under way when it opened changes nothing
        guard isProbing || (isEnough && view.phase(at: now) == .closed) else { return nil }
        trial = nil
        window.forget()
        view.opens(until: now + settings.breaker.open, because: code)
        return .trip(code: code)
    }
}
