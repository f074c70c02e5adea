extension WorkerConfiguration {
    /// Leases and crash rules of the queue.
    package var queueSettings: JobQueue.Settings {
        var settings = JobQueue.Settings()
        settings.lease = lease
        settings.leaseMargin = min(settings.leaseMargin, lease * 0.2)
        settings.crashLimit = crashesBeforeAlone
        settings.aloneCrashLimit = crashesAlone
        settings.crashBackoffCeiling = min(settings.crashBackoffCeiling, retryCeiling)
        return settings
    }

    /// Waits between attempts. The classes keep their proportions, which are the reason why there are classes.
    package var retryPolicy: RetryPolicy {
        var policy = RetryPolicy()
        policy.dependency = .init(base: retryBase, ceiling: retryCeiling)
        policy.throttled = .init(base: retryBase, ceiling: retryCeiling * 5)
        policy.identity = .init(base: retryBase * 2.5, ceiling: retryCeiling)
        policy.permanent = .init(base: retryBase * 2.5, ceiling: retryCeiling, attempts: permanentAttempts)
        policy.eventual = Self.pauses(within: missingManifestPatience)
        policy.longestRetryAfter = retryAfterCeiling
        return policy
    }

    /// Short waits first, because a registry is late by seconds if at all; together `patience`.
    private static func pauses(within patience: Duration) -> [Duration] {
        let short: [Duration] = [.seconds(2), .seconds(5), .seconds(10)]
        var pauses: [Duration] = []
        var left = patience
        while left > .zero {
            let next: Duration = pauses.count < short.count ? short[pauses.count] : .seconds(30)
            pauses.append(min(next, left))
            left -= next
        }
        return pauses
    }

    /// Slots and cadence of the worker.
    package var workerSettings: Worker.Settings {
        var settings = Worker.Settings()
        settings.concurrency = concurrency
        settings.groupWidth = groupConcurrency
        settings.liveSlots = min(liveSlots, concurrency / 2)
        settings.poll = poll
        settings.heartbeat = heartbeat
        settings.shutdownGrace = shutdownGrace
        return settings
    }
}

extension Configuration {
    /// Beyond this a worker that is silent counts as stuck: a minute, and never less than one request of an attempt may stand in
    /// line and then take. A wait that has an end is none that a restart would end.
    package var longestSilence: Duration {
        var upstreams = registries.map(\.upstream) + sigstore.namedLogs.map(\.upstream)
        upstreams.append(sigstore.upstreams)
        upstreams += [sigstore.fulcio, sigstore.timestampAuthority].compactMap { $0 }
        let answer = upstreams.map(\.timeout).max() ?? .zero
        return max(.seconds(60), budgets.wait * DependencyGate.waitsOfAttempt + answer)
    }
}
