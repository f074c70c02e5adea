@testable import Countersign

extension QueueModel {
    // MARK: Settle

    /// - Throws: ``QueueError/leaseLost(jobID:)``.
    mutating func settle(_ held: Held, as outcome: Outcome) throws(QueueError) -> Settlement {
        let settlement: Settlement? =
            switch outcome {
            case .signed: complete(held)
            case .refused(let failure): conclude(held, as: .refused, failure)
            case .gone(let failure): conclude(held, as: .gone, failure)
            case .failed(let failure): conclude(held, as: .failed, failure)
            case .retry(let failure, let delay, let counts):
                putBack(held.back(error: failure, delay: delay, uncounted: counts ? 0 : 1, failures: 1))
            case .released: putBack(held.back(error: nil, delay: .zero, uncounted: 1, failures: 0))
            case .broken, .ended: nil
            }
        guard let settlement else { throw .leaseLost(jobID: held.jobID) }
        return settlement
    }

    private mutating func show(_ number: Int, _ state: TargetState, _ code: String?) {
        targets[number]?.state = state
        targets[number]?.code = code
    }

    private mutating func complete(_ held: Held) -> Settlement? {
        guard let job = index(of: held) else { return nil }
        let target = jobs[job].target
        show(target, .signed, nil)
        return end(job, as: .signed)
    }

    private mutating func conclude(_ held: Held, as state: TargetState, _ failure: Failure) -> Settlement? {
        guard let index = index(of: held) else { return nil }
        let job = jobs[index]
        let before = targets[job.target]?.state
        if !job.isPushedAgain, !job.isCancelRequested, state == .failed {
            letters.append(Letter(jobID: job.id, target: job.target, code: failure.code))
        }
        let isKept =
            before == .signed && state == .refused && JobQueue.saidBefore.contains(failure.code)
        targets[job.target]?.state =
            switch (job.isPushedAgain, job.isCancelRequested, before) {
            case (true, _, .signed), (_, true, .signed): .signed
            case (true, _, _): .queued
            case (_, true, _): .cancelled
            default: isKept ? .signed : state
            }
        targets[job.target]?.code = failure.code
        let settlement = end(index, as: state)
        return job.isCancelRequested && !job.isPushedAgain ? .ended(.cancelled, sincePush: .zero) : settlement
    }

    /// Deletes the job, or makes it due at its first attempt if a push came meanwhile.
    private mutating func end(_ index: Int, as state: TargetState) -> Settlement {
        revision += 1
        guard jobs[index].isPushedAgain else {
            jobs.remove(at: index)
            return .ended(state, sincePush: .zero)
        }
        jobs[index].free()
        (jobs[index].runAt, jobs[index].attempt, jobs[index].failures, jobs[index].crashes) = (now, 0, 0, 0)
        return .requeued
    }

    mutating func putBack(_ back: JobReturn) -> Settlement? {
        guard
            let index = jobs.firstIndex(where: {
                $0.id == back.jobID && (!isFenced || ($0.isLeased && $0.token == back.leaseToken))
            })
        else { return nil }
        revision += 1
        let job = jobs[index]
        if let state = targets[job.target]?.state, state == .signing {
            targets[job.target]?.state =
                job.isCancelRequested ? .cancelled : job.isPushedAgain || back.error == nil ? .queued : .waiting
        }
        if let error = back.error { targets[job.target]?.code = error.code }
        guard !job.isCancelRequested else {
            jobs.remove(at: index)
            return .ended(.cancelled, sincePush: .zero)
        }
        jobs[index].free()
        jobs[index].crashes = (job.isAlone && back.crashes == 0 ? 0 : job.crashes) + Int(back.crashes)
        jobs[index].attempt = max(job.attempt - Int(back.uncountedAttempts), 0)
        jobs[index].failures = job.failures + Int(back.failures)
        jobs[index].runAt = job.isPushedAgain ? now : now + back.delay.milliseconds
        return job.isPushedAgain || back.delay == .zero ? .requeued : .postponed
    }

    // MARK: Recovery and operator

    /// - Parameter random: for each job that is put back, uniform in 0..<1.
    mutating func rescue(_ random: () -> Double) {
        for job in jobs where job.isLeased && job.expiresAt < now {
            let lease = ExpiredLease(
                jobID: job.id, leaseToken: job.token, crashes: job.crashes, alone: job.isAlone)
            if lease.isPoison(limit: crashLimit, alone: aloneCrashLimit) {
                _ = conclude(
                    Held(jobID: job.id, token: job.token, target: job.target, attempt: 0, failures: 0, crashes: 0),
                    as: .failed, lease.poison)
            } else {
                _ = putBack(lease.back(after: lease.delay(ceiling: crashBackoffCeiling, random: random())))
            }
        }
    }

    mutating func cancel(_ number: Int) -> JobQueue.Cancellation? {
        guard let job = jobs.firstIndex(where: { $0.target == number }) else { return nil }
        revision += 1
        guard !jobs[job].isLeased else {
            (jobs[job].isCancelRequested, jobs[job].isPushedAgain) = (true, false)
            return .cancelling
        }
        jobs.remove(at: job)
        if let state = targets[number]?.state, state == .queued || state == .waiting {
            targets[number]?.state = .cancelled
        }
        return .cancelled
    }

    mutating func retry(_ number: Int) -> JobQueue.Retry? {
        guard let job = jobs.firstIndex(where: { $0.target == number }) else { return nil }
        guard !jobs[job].isLeased else { return .signing }
        guard jobs[job].runAt > now else { return .queued }
        revision += 1
        jobs[job].runAt = now
        if targets[number]?.state == .waiting { targets[number]?.state = .queued }
        return .queued
    }

    /// - Returns: how many jobs were made of the letters.
    mutating func redrive(_ ids: [Int64]) -> Int {
        let raised = letters.filter { ids.contains($0.jobID) }.sorted { $0.jobID < $1.jobID }
        letters.removeAll { ids.contains($0.jobID) }
        let failed = raised.filter { targets[$0.target]?.state == .failed }
        for letter in failed {
            revision += 1
            lastJob += 1
            show(letter.target, .queued, nil)
            jobs.append(JobRow(id: lastJob, target: letter.target, lane: .default, runAt: now))
        }
        return failed.count
    }

    /// A check found what was published gone: `signed` is not said until it is back.
    mutating func unsign(_ number: Int, code: String) {
        revision += 1
        if targets[number]?.state == .signed { show(number, .signing, code) }
    }
}

extension QueueModel.JobRow {
    fileprivate mutating func free() {
        (isLeased, isAlone, isPushedAgain, isCancelRequested) = (false, false, false, false)
    }
}

extension QueueModel.Held {
    func back(error: Failure?, delay: Duration, uncounted: Int32, failures: Int32) -> JobReturn {
        JobReturn(
            jobID: jobID, leaseToken: token, error: error, delay: delay, uncountedAttempts: uncounted,
            failures: failures, crashes: 0)
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int { Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}
