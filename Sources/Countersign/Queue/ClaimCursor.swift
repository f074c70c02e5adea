package import FoundationEssentials
import Synchronization

/// Where one worker's next claim starts reading: which lane and whose jobs first, and from which `run_at` on.
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
        var lowest: [Place: Date] = [:]
        /// Who was served in each lane, the latest last.
        var served: [Lane: [Int16]] = [:]
        var sweptAt: ContinuousClock.Instant?

        /// Whoever was not served for longest goes first.
        func order(_ tenants: [Int16], in lane: Lane) -> [Int16] {
            let served = served[lane, default: []]
            return tenants.filter { !served.contains($0) } + served.filter(tenants.contains)
        }
    }

    package struct Start: Sendable, Equatable {
        package let lane: Lane
        package let tenant: Int16
        package let since: Date
    }

    private struct Place: Hashable {
        let lane: Lane
        let tenant: Int16
    }

    package init(slack: Duration = .milliseconds(200), sweepInterval: Duration = .seconds(1)) {
        self.slack = slack / .seconds(1)
        self.sweepInterval = sweepInterval
    }

    /// - Parameters:
    ///   - lanes: those to look into; nil: all, by their weights.
    ///   - tenants: all that there are. In each lane whoever was not served for longest goes first, so that nobody's
    ///     flood stands before another's push.
    package func next(
        lanes: [Lane]? = nil, tenants: [Int16] = [Tenants.everybody], at now: ContinuousClock.Instant = .now
    ) -> [Start] {
        state.withLock { state in
            let isSweep = state.sweptAt.map { now - $0 >= sweepInterval } ?? true
            if isSweep { state.sweptAt = now }
            return (lanes ?? state.schedule.next()).flatMap { lane in
                state.order(tenants, in: lane).map { tenant in
                    let lowest = state.lowest[Place(lane: lane, tenant: tenant)]
                    let since = isSweep ? nil : lowest?.addingTimeInterval(-slack)
                    return Start(lane: lane, tenant: tenant, since: since ?? Date(timeIntervalSince1970: 0))
                }
            }
        }
    }

    /// Takes the `run_at` (database clock) of what a claim returned.
    package func claimed(_ jobs: [(lane: Lane, tenant: Int16, runAt: Date)]) {
        state.withLock { state in
            let places = Dictionary(grouping: jobs) { Place(lane: $0.lane, tenant: $0.tenant) }
            for (place, batch) in places {
                state.lowest[place] = batch.map(\.runAt).min()
                state.served[place.lane, default: []].removeAll { $0 == place.tenant }
                state.served[place.lane, default: []].append(place.tenant)
            }
        }
    }
}
