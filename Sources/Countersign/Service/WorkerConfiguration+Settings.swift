extension WorkerConfiguration {
    /// Leases and crash rules of the queue.
    package var queueSettings: JobQueue.Settings {
        var settings = JobQueue.Settings()
        settings.lease = lease
        settings.leaseMargin = min(settings.leaseMargin, lease * 0.2)
        settings.crashLimit = crashesBeforeAlone
        settings.crashBackoffCeiling = min(settings.crashBackoffCeiling, retryCeiling)
        return settings
    }

    /// Waits between attempts.
    package var retryPolicy: RetryPolicy {
        var policy = RetryPolicy()
        for backoff in [\RetryPolicy.dependency, \.throttled, \.identity, \.permanent] {
            policy[keyPath: backoff].base = min(policy[keyPath: backoff].base, retryBase)
            policy[keyPath: backoff].ceiling = min(policy[keyPath: backoff].ceiling, retryCeiling)
        }
        policy.permanent.attempts = permanentAttempts
        policy.longestRetryAfter = retryCeiling
        return policy
    }

    /// Slots and cadence of the worker.
    package var workerSettings: Worker.Settings {
        var settings = Worker.Settings()
        settings.concurrency = concurrency
        settings.poll = poll
        settings.heartbeat = heartbeat
        settings.shutdownGrace = shutdownGrace
        return settings
    }
}
