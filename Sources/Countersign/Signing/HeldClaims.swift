/// What this process holds: free slots for the claim loop, leases for the heartbeat, and a handle to stop each attempt.
actor HeldClaims {
    private struct Holding {
        let claim: Claim
        var attempt: Task<Void, Never>?
    }

    private var holdings: [Int64: Holding] = [:]
    private var waiters: [(isMet: @Sendable (Int) -> Bool, resume: CheckedContinuation<Void, Never>)] = []

    var claims: [Claim] { holdings.values.map(\.claim) }

    func add(_ claim: Claim) { holdings[claim.jobID] = Holding(claim: claim) }

    func remove(_ claim: Claim) {
        holdings[claim.jobID] = nil
        let count = holdings.count
        let met = waiters.filter { $0.isMet(count) }
        waiters.removeAll { $0.isMet(count) }
        for waiter in met { waiter.resume.resume() }
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
        holdings[claim.jobID]?.attempt = task
    }

    /// Cancels the attempts of these jobs: their leases are lost, or an operator said so.
    func stop(_ jobs: Set<Int64>) {
        for job in jobs { holdings[job]?.attempt?.cancel() }
    }

    /// Waits until at least one of `slots` is free; 0 only when cancelled meanwhile.
    func freeSlots(of slots: Int) async -> Int {
        await wait { $0 < slots }
        return max(0, slots - holdings.count)
    }

    /// Waits until this claim is the only one held.
    func untilOnly(_ claim: Claim) async { await wait { $0 <= 1 } }

    /// Waits until nothing is held.
    func untilEmpty() async { await wait { $0 == 0 } }

    private func wait(_ isMet: @escaping @Sendable (Int) -> Bool) async {
        while !isMet(holdings.count), !Task.isCancelled {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    if Task.isCancelled { continuation.resume() } else { waiters.append((isMet, continuation)) }
                }
            } onCancel: {
                Task { await self.wakeWaiters() }
            }
        }
    }

    /// A waiter was cancelled: all are woken, and each looks at its own condition and its own task again.
    private func wakeWaiters() {
        let woken = waiters
        waiters = []
        for waiter in woken { waiter.resume.resume() }
    }
}
