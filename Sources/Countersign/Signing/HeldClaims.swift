/// What this process holds: free slots for the claim loop, leases for the heartbeat, and a handle to stop each attempt.
///
/// Kept by lease token, not by job: after a long outage this process may claim a job anew while its own earlier attempt at
/// it still runs, and the end of the one must not let the other go.
actor HeldClaims {
    private struct Holding {
        let claim: Claim
        /// Of a group: it has no slot of its own.
        var isMember = false
        var attempt: Task<Void, Never>?
    }

    private let patience: Duration
    private var holdings: [Int64: Holding] = [:]
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var members = 0
    private var groups = 0
    private var isDraining = false
    /// When a job that must run alone was put off for the groups that are worked on, or the last of these ended.
    private var putOffAt: ContinuousClock.Instant?

    /// Other daemons that were alive at the last heartbeat.
    private(set) var peers = 0

    /// - Parameter patience: how long after the last group no other begins for a job that was put off, unless it comes: it is due
    ///   again sooner, but another daemon may have taken it.
    init(patience: Duration = .seconds(10)) { self.patience = patience }

    func meet(_ peers: Int) { self.peers = peers }

    var claims: [Claim] { holdings.values.map(\.claim) }

    /// Slots that jobs other than live pushes have. A group has none.
    var slotsBeyondLive: Int { holdings.values.count { !$0.isMember && $0.claim.lane != .live } }

    func add(_ claim: Claim) { holdings[claim.leaseToken] = Holding(claim: claim) }

    func remove(_ claim: Claim) {
        if holdings.removeValue(forKey: claim.leaseToken)?.isMember == true { members -= 1 }
        wakeWaiters()
    }

    // MARK: Groups. They take no slots, so that pushes find theirs free; there is a limit of their own.

    /// Whether members that were not begun yet should be.
    var isGoingOn: Bool { !isDraining && !Task.isCancelled }

    var worksGroups: Bool { groups > 0 }

    /// Whether jobs of groups are to be claimed. Not while a job that must run alone waits for the end of those that are worked on;
    /// afterwards it may be a group's itself.
    func hasPlaceForGroup(limit: Int) -> Bool { groups < limit && !(groups > 0 && awaitsLoneJob) }

    private var awaitsLoneJob: Bool {
        guard let putOffAt else { return false }
        return groups > 0 || ContinuousClock.now < putOffAt + patience
    }

    /// From now on no group begins, until a job that must run alone had its turn.
    func awaitLoneJob() { putOffAt = .now }

    /// It had.
    func loneJobRan() { putOffAt = nil }

    /// From now on nothing is begun.
    func drain() { isDraining = true }

    /// - Returns: false, and nothing is held, when `limit` groups are worked on already, or none is to begin.
    func begin(_ group: [Claim], limit: Int) -> Bool {
        guard groups < limit, !awaitsLoneJob else { return false }
        groups += 1
        join(group)
        return true
    }

    /// Holds what else of a group was claimed.
    func join(_ claims: [Claim]) {
        for claim in claims { holdings[claim.leaseToken] = Holding(claim: claim, isMember: true) }
        members += claims.count
    }

    func endGroup() {
        groups -= 1
        if putOffAt != nil { putOffAt = .now }
        wakeWaiters()
    }

    /// Runs `work` as a task that a lost lease can cancel, and lets the claim go when it ends.
    nonisolated func running(_ claim: Claim, _ work: @escaping @Sendable () async -> Void) async {
        let task = Task { await work() }
        await hold(task, for: claim)
        await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        await remove(claim)
    }

    private func hold(_ task: Task<Void, Never>, for claim: Claim) {
        holdings[claim.leaseToken]?.attempt = task
    }

    /// Cancels the attempts under these lease tokens: the leases are lost, or an operator said so.
    func stop(_ tokens: Set<Int64>) {
        for token in tokens { holdings[token]?.attempt?.cancel() }
    }

    /// Waits until at least one of `slots` is free; 0 only when cancelled meanwhile.
    func freeSlots(of slots: Int) async -> Int {
        while holdings.count - members >= slots, !Task.isCancelled { await change() }
        return max(0, slots - (holdings.count - members))
    }

    /// Waits until nothing is held but what `claim` names; returns whether that is so (false: cancelled meanwhile).
    func untilOnly(_ claim: Claim) async -> Bool {
        while groups > 0 || holdings.keys.contains(where: { $0 != claim.leaseToken }), !Task.isCancelled {
            await change()
        }
        return groups == 0 && !holdings.keys.contains { $0 != claim.leaseToken }
    }

    /// Waits until `claim` is held no more.
    func untilGone(_ claim: Claim) async {
        while holdings[claim.leaseToken] != nil, !Task.isCancelled { await change() }
    }

    /// Waits until nothing is held.
    func untilEmpty() async {
        while groups > 0 || !holdings.isEmpty, !Task.isCancelled { await change() }
    }

    /// Returns after the next removal, or soon after the task was cancelled: every caller looks at its condition again.
    private func change() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { waiters.append(continuation) }
            }
        } onCancel: {
            Task { await self.wakeWaiters() }
        }
    }

    private func wakeWaiters() {
        let woken = waiters
        waiters = []
        for waiter in woken { waiter.resume() }
    }
}
