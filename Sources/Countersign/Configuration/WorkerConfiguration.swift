/// How jobs are worked off. The ceilings are here so that a chaos run can set them to seconds.
package struct WorkerConfiguration: Sendable, Equatable {
    /// Jobs worked on at once. Default 16; each holds at most one connection to the registry and the log.
    package var concurrency = 16
    /// Members of a group that are looked at, or published, at once, beside the jobs. Default 16; at most two groups run at once.
    package var groupConcurrency = 16
    /// Of these, how many are for live pushes alone, so that a batch cannot fill every slot. Default 2; at most half of them.
    package var liveSlots = 2
    /// How long a claim stands without a heartbeat. Default 30 s: the delay before another daemon takes over a dead one's jobs.
    package var lease: Duration = .seconds(30)
    /// How often claims are renewed. Default 10 s; at most a third of the lease.
    package var heartbeat: Duration = .seconds(10)
    /// How often the queue is looked at without being woken. Default 1 s; never switched off.
    package var poll: Duration = .seconds(1)
    /// How often expired claims are taken back. Default 5 s.
    package var rescue: Duration = .seconds(5)
    /// First wait after a failure of an upstream, doubled each time, each wait drawn at random between 0 and that. Default
    /// 2 s. Refused tokens, credentials and requests begin at 2.5 times this.
    package var retryBase: Duration = .seconds(2)
    /// The longest wait that backoff comes to. Default 60 s; five times this after 429.
    package var retryCeiling: Duration = .seconds(60)
    /// The longest that an upstream's Retry-After is obeyed. Default 15 min.
    package var retryAfterCeiling: Duration = .seconds(900)
    /// Attempts that end in a permanent refusal before a job is given up. Default 3.
    package var permanentAttempts = 3
    /// Crashes of a worker holding a job before that job runs alone. Default 3.
    package var crashesBeforeAlone = 3
    /// Crashes in a row of a worker that ran nothing else before the job is given up. Default 3.
    package var crashesAlone = 3
    /// How long a manifest that is not (yet) there is asked for, with waits of 2, 5, 10 and then 30 s. Default 47 s; then the
    /// artifact is gone.
    package var missingManifestPatience: Duration = .seconds(47)
    /// How long a turn at the referrers of a digest outlives a daemon that died with it; whoever lives renews it at each third.
    /// Default 60 s: above the longest time that a process may stand still and be believed.
    package var subjectLease: Duration = .seconds(60)
    /// From the stop signal to the end. Default 25 s; what is unfinished then is released for others.
    package var shutdownGrace: Duration = .seconds(25)

    package init() {}
}
