package import FoundationEssentials
import Synchronization

/// Where one worker's next claim starts reading: which lane first, and from which `run_at` on.
///
/// Claimed rows leave dead index entries at the head of the order, and while any session holds an old snapshot they
/// cannot be removed: walking them made a claim 6 to 10 times dearer within 60,000 jobs. So each claim starts at the
/// lowest `run_at` of the one before, less a slack for transactions that commit late; a sweep from the beginning once a
/// second finds what was skipped. Every re-entry (retry, rescue, redrive) sets `run_at` to now or later.
package final class ClaimCursor: Sendable {
    private let slack: TimeInterval
    private let sweepInterval: Duration
    private let state = Mutex(State())

    private struct State {
        var schedule = LaneSchedule()
        var lowest: [Lane: Date] = [:]
        var sweptAt: ContinuousClock.Instant?
    }

    package struct Start: Sendable, Equatable {
        package let lane: Lane
        package let since: Date
    }

    package init(slack: Duration = .milliseconds(200), sweepInterval: Duration = .seconds(1)) {
        self.slack = slack / .seconds(1)
        self.sweepInterval = sweepInterval
    }

    package func next(at now: ContinuousClock.Instant = .now) -> [Start] {
        state.withLock { state in
            let isSweep = state.sweptAt.map { now - $0 >= sweepInterval } ?? true
            if isSweep { state.sweptAt = now }
            return state.schedule.next().map { lane in
                let since = isSweep ? nil : state.lowest[lane]?.addingTimeInterval(-slack)
                return Start(lane: lane, since: since ?? Date(timeIntervalSince1970: 0))
            }
        }
    }

    /// Takes the `run_at` (database clock) of what a claim returned.
    package func claimed(_ jobs: [(lane: Lane, runAt: Date)]) {
        state.withLock { state in
            for (lane, batch) in Dictionary(grouping: jobs, by: \.lane) {
                state.lowest[lane] = batch.map(\.runAt).min()
            }
        }
    }
}
