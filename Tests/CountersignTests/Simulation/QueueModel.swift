@testable import Countersign

/// The queue's tables and statements as plain values: what the SQL of `Queue/` does to target, job and dead letter, one
/// target a number. `QueueOperationTests` holds it against the SQL itself; the simulation then explores what follows.
///
/// Times are milliseconds of the database's clock.
struct QueueModel: Sendable {
    typealias Time = Int

    struct TargetRow: Sendable, Equatable {
        var state = TargetState.queued
        /// `last_error.code`.
        var code: String?
        var pushes = 1
    }

    struct JobRow: Sendable, Equatable {
        let id: Int64
        let target: Int
        var lane: Lane
        var runAt: Time
        var isLeased = false
        var token: Int64 = 0
        var expiresAt: Time = 0
        var attempt = 0
        var failures = 0
        var crashes = 0
        var isAlone = false
        var isPushedAgain = false
        var isCancelRequested = false
    }

    struct Letter: Sendable, Equatable {
        let jobID: Int64
        let target: Int
        var code: String
    }

    /// What a claim hands out.
    struct Held: Sendable, Equatable {
        let jobID: Int64
        let token: Int64
        let target: Int
        let attempt: Int
        let failures: Int
        let crashes: Int
    }

    var now: Time = 0
    /// By number; `nil` until the first push.
    var targets: [TargetRow?]
    var jobs: [JobRow] = []
    var letters: [Letter] = []
    /// Whether writes ask for the lease token. Only a flaw under test says no.
    var isFenced = true
    /// Counts everything that is written.
    var revision = 0

    let lease: Time
    let crashLimit: Int
    let aloneCrashLimit: Int
    let crashBackoffCeiling: Duration
    var lastJob: Int64 = 0
    var lastToken: Int64 = 0

    init(targets: Int, lease: Time, crashLimit: Int = 3, aloneCrashLimit: Int = 1, crashBackoffCeiling: Duration) {
        self.targets = Array(repeating: nil, count: targets)
        (self.lease, self.crashBackoffCeiling) = (lease, crashBackoffCeiling)
        (self.crashLimit, self.aloneCrashLimit) = (crashLimit, aloneCrashLimit)
    }

    // MARK: Enqueue

    mutating func push(_ number: Int, lane: Lane) {
        revision += 1
        if var target = targets[number] {
            switch target.state {
            case .waiting: target.state = .queued
            case .refused, .gone, .failed, .cancelled: (target.state, target.code) = (.queued, nil)
            case .queued, .signing, .signed, .revoked: break
            }
            target.pushes += 1
            targets[number] = target
            letters.removeAll { $0.target == number }
        } else {
            targets[number] = TargetRow()
        }
        guard let job = jobs.firstIndex(where: { $0.target == number }) else {
            lastJob += 1
            return jobs.append(JobRow(id: lastJob, target: number, lane: lane, runAt: now))
        }
        jobs[job].isPushedAgain = jobs[job].isLeased
        if !jobs[job].isLeased { jobs[job].runAt = min(jobs[job].runAt, now) }
        jobs[job].lane = Lane(rawValue: min(jobs[job].lane.rawValue, lane.rawValue)) ?? lane
        jobs[job].isCancelRequested = false
    }

    // MARK: Claim and lease

    mutating func claim(limit: Int, lanes: [Lane]) -> [Held] {
        var due: [Int] = []
        for lane in lanes where due.count < limit {
            let inLane = jobs.indices.filter { !jobs[$0].isLeased && jobs[$0].lane == lane && jobs[$0].runAt <= now }
            let first = inLane.sorted { (jobs[$0].runAt, jobs[$0].id) < (jobs[$1].runAt, jobs[$1].id) }
            due += first.prefix(limit - due.count)
        }
        return due.map { index in
            revision += 1
            lastToken += 1
            jobs[index].isLeased = true
            jobs[index].token = lastToken
            jobs[index].expiresAt = now + lease
            jobs[index].attempt += 1
            let job = jobs[index]
            if let state = targets[job.target]?.state, state == .queued || state == .waiting {
                targets[job.target]?.state = .signing
            }
            return Held(
                jobID: job.id, token: job.token, target: job.target, attempt: job.attempt, failures: job.failures,
                crashes: job.crashes)
        }
    }

    /// Tokens that are lost, and tokens whose end an operator wants.
    mutating func heartbeat(_ held: [Held]) -> (lost: [Int64], cancelled: [Int64]) {
        var (lost, cancelled): ([Int64], [Int64]) = ([], [])
        for held in held {
            guard let job = index(of: held) else {
                lost.append(held.token)
                continue
            }
            jobs[job].expiresAt = now + lease
            if jobs[job].isCancelRequested { cancelled.append(held.token) }
        }
        return (lost, cancelled)
    }

    mutating func markAlone(_ held: Held) throws(QueueError) {
        guard let job = index(of: held) else { throw .leaseLost(jobID: held.jobID) }
        revision += 1
        jobs[job].isAlone = true
    }

    /// Whether the attempt still has its job, expired or not.
    func holds(_ held: Held) -> Bool { jobs.contains { $0.id == held.jobID && $0.isLeased && $0.token == held.token } }

    func index(of held: Held) -> Int? {
        jobs.firstIndex { $0.id == held.jobID && (!isFenced || ($0.isLeased && $0.token == held.token)) }
    }

    /// What the journal asks for before each of its writes: the job is this attempt's, and its lease runs.
    func fence(_ held: Held) throws(QueueError) {
        guard let job = index(of: held), !isFenced || jobs[job].expiresAt > now else {
            throw .leaseLost(jobID: held.jobID)
        }
    }

    // MARK: What happens by itself in time

    mutating func expireLeases() { for job in jobs.indices where jobs[job].isLeased { jobs[job].expiresAt = now - 1 } }

    mutating func makeDue() {
        for job in jobs.indices where !jobs[job].isLeased { jobs[job].runAt = min(jobs[job].runAt, now) }
    }

    /// When something is due that is not yet: a wait ends, or a lease.
    var nextEvent: Time? { jobs.map { $0.isLeased ? $0.expiresAt + 1 : $0.runAt }.filter { $0 > now }.min() }

    /// A state that says something else than its job does.
    var contradiction: String? {
        for (number, target) in targets.enumerated() {
            guard let state = target?.state else { continue }
            let job = jobs.first { $0.target == number }
            switch (state.isFinal, state == .signed, job) {
            case (false, _, nil): return "target \(number) is \(state.rawValue) and has no job"
            case (true, false, .some): return "target \(number) is \(state.rawValue) and has a job"
            case (false, _, let job?) where (state == .signing) != job.isLeased:
                return "target \(number) is \(state.rawValue) while its job is \(job.isLeased ? "held" : "free")"
            default: continue
            }
        }
        return nil
    }
}
