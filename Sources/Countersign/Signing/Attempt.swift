package import Logging

/// One attempt at one claim: the handler of its kind, and what its end means for the queue.
package struct Attempt: Sendable {
    let parts: JobParts
    private let handlers: [JobKind: any JobHandler]
    let retry: RetryPolicy
    let metrics: ServiceMetrics
    private let alarm: SignatureAlarm
    let logger: Logger

    var queue: JobQueue { parts.queue }
    /// Asked to look for a rotation when a failure hints at one.
    var trust: TrustKeeper { parts.signers.trust }

    /// - Parameter alarm: told of signatures that do not hold any more.
    package init(
        _ parts: JobParts, retry: RetryPolicy, metrics: ServiceMetrics, alarm: SignatureAlarm, logger: Logger
    ) {
        self.parts = parts
        handlers = JobKind.known.mapValues { $0.init(parts) }
        self.retry = retry
        self.metrics = metrics
        self.alarm = alarm
        self.logger = logger
    }

    /// Works the claim and settles it. Never throws: every failure becomes an outcome, and an outcome that cannot be
    /// stored is left to the lease.
    func callAsFunction(_ claim: Claim) async {
        await Lane.$ofAttempt.withValue(claim.lane) {
            let trace = AttemptTrace(claim, logger: logger, metrics: metrics)
            guard let outcome = await outcome(of: claim, trace) else { return }
            await end(claim, as: outcome, trace)
        }
    }

    /// Settles, and does what follows from it.
    func end(_ claim: Claim, as outcome: Outcome, _ trace: AttemptTrace) async {
        let settlement: Settlement
        do { settlement = try await settled(claim, outcome) } catch {
            let failure = AttemptFailure(error).failure
            return trace.note(
                .warning, "the outcome was not stored; the lease runs out and the job is claimed again",
                ["outcome": "\(outcome.name)", "error.code": "\(failure.code)", "error": "\(failure.observed)"])
        }
        metrics.outcomes.increment(outcome.name)
        if case .signed(let record) = outcome, case .ended(_, let sincePush) = settlement {
            metrics.pushToSigned.observe(sincePush)
            trace.note(
                .info, "signed",
                [
                    "tlog.index": "\(record.logIndex)", "referrer": "\(record.referrer)",
                    "ms": "\(sincePush.inMilliseconds)",
                ])
        }
        await follow("its alert stands until the next look at the signature", outcome, trace) {
            try await alarm.ended(claim, as: outcome)
        }
        await follow("what waits for it looks by itself, or is looked for at the next look", outcome, trace) {
            try await handlers[claim.kind]?.settled(claim, as: outcome)
        }
    }

    /// Does what follows from an outcome that is stored.
    ///
    /// In a task of its own: a heartbeat between the two finds the job no more, and stops its attempt.
    /// - Parameter otherwise: what becomes of it, if it fails.
    private func follow(
        _ otherwise: String, _ outcome: Outcome, _ trace: AttemptTrace,
        _ body: @escaping @Sendable () async throws -> Void
    ) async {
        do { try await Task { try await body() }.value } catch {
            let failure = AttemptFailure(error).failure
            trace.note(
                .warning, "the outcome was stored, and not all that follows from it; \(otherwise)",
                ["outcome": "\(outcome.name)", "error.code": "\(failure.code)", "error": "\(failure.observed)"])
        }
    }

    private func outcome(of claim: Claim, _ trace: AttemptTrace) async -> Outcome? {
        do { return try await claim.lease.lasting { try await work(claim, trace) } } catch {
            if await isTold(error, claim, trace) { return .broken(failed(error).failure) }
            return await outcome(of: error, for: claim, trace)
        }
    }

    private func work(_ claim: Claim, _ trace: AttemptTrace) async throws -> Outcome {
        guard let handler = handlers[claim.kind] else {
            throw QueueError.unreadable(table: "job", what: "kind of job \(claim.jobID)")
        }
        return try await handler(claim, trace)
    }

    /// Tells who has to know it of a signature that does not hold any more.
    /// - Returns: whether with that the look is done: another one now would find the same. Where it may be the trust that is
    ///   behind, it is repeated a few times; where something is missing and was not put back, until it is.
    func isTold(_ error: any Error, _ claim: Claim, _ trace: AttemptTrace) async -> Bool {
        let failure = failed(error).failure
        do {
            guard try await alarm.failed(error, failure, claim), let target = claim.target else {
                return false
            }
            guard try await parts.journal.lineage(of: target).state == .signed, !Task.isCancelled else {
                return false
            }
        } catch {
            let unknown = AttemptFailure(error).failure
            trace.note(
                .warning, "what became of an alert is not known; the next attempt raises it",
                ["error.code": "\(unknown.code)", "error": "\(unknown.observed)"])
            return false
        }
        guard !trust.isFollowed || !RotationHint.isGiven(by: error) || claim.failures >= Self.looksAtTrust else {
            return false
        }
        trace.note(
            .warning, "\(failure.observed)",
            ["stage": "\(failure.stage)", "error.code": "\(failure.code)", "outcome": "broken"])
        return true
    }

    /// How often a signature that our trust does not explain is looked at again while the trust's source is asked.
    private static let looksAtTrust = 3

    /// Whatever a stopped attempt fails with is its stopping: upstreams report it as an answer that never came.
    private func failed(_ error: any Error) -> AttemptFailure {
        AttemptFailure(Task.isCancelled ? CancellationError() : error)
    }

    /// What a failure means for the claim; nil when nothing may be recorded.
    func outcome(of error: any Error, for claim: Claim, _ trace: AttemptTrace) async -> Outcome? {
        if RotationHint.isGiven(by: error) { trust.nudge() }
        let failed = failed(error)
        let end = failed.outcome(for: claim, under: retry, random: .random(in: 0..<1))
        let outcome = await leavingSigned(end, claim)
        if case .retry(_, let delay, _) = outcome {
            metrics.retries.increment(failed.retryClass ?? "release")
            // of an upstream that is down its breaker has told already
            trace.note(
                failed.failure.upstream == nil ? .warning : .info, "\(failed.failure.observed)",
                [
                    "stage": "\(failed.failure.stage)", "error.code": "\(failed.failure.code)",
                    "retry.ms": "\(delay.inMilliseconds)",
                ])
        } else {
            trace.note(
                .warning, "\(failed.failure.observed)",
                [
                    "stage": "\(failed.failure.stage)", "error.code": "\(failed.failure.code)",
                    "outcome": "\(outcome?.name ?? "lost")",
                ])
        }
        return outcome
    }

    /// A look back that is given up has not shown that the signature is not there: it stands, beside the error, and the next
    /// round looks again. One that found something missing has, and its target is not `signed` any more.
    private func leavingSigned(_ end: Outcome?, _ claim: Claim) async -> Outcome? {
        guard claim.isRecheck, let target = claim.target else { return end }
        let failure: Failure
        switch end {
        case .failed(let reason): failure = reason
        case .refused(let reason) where !JobQueue.saidBefore.contains(reason.code): failure = reason
        default: return end
        }
        do {
            return try await parts.journal.lineage(of: target).state == .signed ? .broken(failure) : end
        } catch {
            return AttemptFailure(error).outcome(for: claim, under: retry, random: .random(in: 0..<1))
        }
    }

    /// Settles, and again a few times if the database hiccups: an attempt that cost a log entry is worth it, and the lease
    /// token keeps a late one from doing harm.
    ///
    /// In a task of its own: an attempt that was stopped (shutdown, an operator) has its end to store all the same, and its
    /// cancellation would reach the database call.
    private func settled(_ claim: Claim, _ outcome: Outcome) async throws -> Settlement {
        try await Task {
            for pause in [Duration.milliseconds(100), .milliseconds(400), .milliseconds(1_600)] {
                do {
                    return try await queue.settle(claim, as: outcome)
                } catch let error as QueueError where error.isTransient {
                    try await Task.sleep(for: pause)
                }
            }
            return try await queue.settle(claim, as: outcome)
        }.value
    }
}

extension Outcome {
    /// The word in metrics and logs.
    var name: String {
        switch self {
        case .signed: "signed"
        case .refused: "refused"
        case .gone: "gone"
        case .retry: "retry"
        case .failed: "failed"
        case .broken: "broken"
        case .ended(let end): end.name
        case .released: "released"
        }
    }
}
