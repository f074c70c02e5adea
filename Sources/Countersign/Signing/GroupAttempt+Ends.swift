import Logging

/// How the jobs of a group end, or go back.
extension GroupAttempt {
    func end(_ claim: Claim, _ outcome: Outcome?, _ trace: AttemptTrace) async {
        if let outcome { await attempt.end(claim, as: outcome, trace) }
        await held.remove(claim)
    }

    /// What kept the group as a whole from going on means the same for each of them.
    func fail(_ claims: [Claim], _ error: any Error) async {
        let failed = failure(error)
        attempt.logger.warning(
            "\(failed.failure.observed)",
            metadata: [
                "stage": "\(failed.failure.stage)", "error.code": "\(failed.failure.code)",
                "group.members": "\(claims.count)",
            ])
        if let first = claims.first {
            let trace = AttemptTrace(first, logger: attempt.logger, metrics: attempt.metrics)
            _ = await attempt.isTold(error, first, trace)
        }
        await end(claims.map { ($0, failed) })
    }

    func failure(_ error: any Error) -> AttemptFailure {
        if RotationHint.isGiven(by: error) { attempt.trust.nudge() }
        // whatever a stopped attempt fails with is its stopping
        return AttemptFailure(Task.isCancelled ? CancellationError() : error)
    }

    /// Ends what failed. What is to be tried again comes back together, by the class of the failure: one after the other,
    /// they would make a statement each.
    func end(_ failures: [(claim: Claim, failed: AttemptFailure)]) async {
        let random = Double.random(in: 0..<1)
        var again: [String: (delay: Duration, members: [JobQueue.GroupReturn])] = [:]
        var released: [Claim] = []
        for (claim, failed) in failures {
            switch failed.outcome(for: claim, under: attempt.retry, random: random) {
            case .retry(let failure, let delay, let counts):
                let name = failed.retryClass ?? "release"
                attempt.metrics.retries.increment(name)
                var others = again[name] ?? (.zero, [])
                others.delay = max(others.delay, delay)
                others.members.append(.init(claim: claim, error: failure, counts: counts))
                again[name] = others
            // of many leases one was lost: the others are free for the next attempt
            case .released, nil: released.append(claim)
            case let outcome?:
                await end(claim, outcome, AttemptTrace(claim, logger: attempt.logger, metrics: attempt.metrics))
            }
        }
        for back in again.values { await putBack(back.members, after: back.delay) }
        await putBack(released)
    }

    func putBack(_ unbegun: [Claim]) async {
        await putBack(unbegun.map { .init(claim: $0, error: nil, counts: false) }, after: .zero)
    }

    /// In a task of its own: the stop that cancels this one must not keep the jobs leased.
    private func putBack(_ members: [JobQueue.GroupReturn], after delay: Duration) async {
        guard !members.isEmpty else { return }
        await Task {
            do throws(QueueError) { try await attempt.queue.putBack(members, after: delay) } catch {
                attempt.logger.warning(
                    "a group was not given back; its leases run out",
                    metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            }
        }.value
        for member in members { await held.remove(member.claim) }
    }
}
