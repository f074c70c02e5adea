/// What this process holds: free slots for the claim loop, leases for the heartbeat, and a handle to stop each attempt.
///
/// Kept by lease token, not by job: after a long outage this process may claim a job anew while its own earlier attempt at
/// it still runs, and the end of the one must not let the other go.
actor HeldClaims {
    private struct Holding {
        let claim: Claim
        var attempt: Task<Void, Never>?
    }

    private var holdings: [Int64: Holding] = [:]
    private var waiters: [CheckedContinuation<Void, Never>] = []

    /// Other daemons that were alive at the last heartbeat.
    private(set) var peers = 0

    func meet(_ peers: Int) { self.peers = peers }

    var claims: [Claim] { holdings.values.map(\.claim) }

    func add(_ claim: Claim) { holdings[claim.leaseToken] = Holding(claim: claim) }

    func remove(_ claim: Claim) {
        holdings[claim.leaseToken] = nil
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
        while holdings.count >= slots, !Task.isCancelled { await change() }
        return max(0, slots - holdings.count)
    }

    /// Waits until nothing is held but what `claim` names; returns whether that is so (false: cancelled meanwhile).
    func untilOnly(_ claim: Claim) async -> Bool {
        while holdings.keys.contains(where: { $0 != claim.leaseToken }), !Task.isCancelled { await change() }
        return !holdings.keys.contains { $0 != claim.leaseToken }
    }

    /// Waits until `claim` is held no more.
    func untilGone(_ claim: Claim) async {
        while holdings[claim.leaseToken] != nil, !Task.isCancelled { await change() }
    }

    /// Waits until nothing is held.
    func untilEmpty() async {
        while !holdings.isEmpty, !Task.isCancelled { await change() }
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
