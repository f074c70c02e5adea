import FoundationEssentials
import Postgres

extension JobQueue {
    package struct Rescued: Sendable, Equatable {
        package let jobID: Int64
        package let crashes: Int
        /// Proven poison: it crashed alone, as often as that takes.
        package let isBuried: Bool
    }

    /// Takes jobs back whose holder stopped beating. Any replica may do this at any time: what one sweep holds the next
    /// one skips, and the lease is looked at again on the row that is locked. What one takes back of a group is due again at one
    /// moment, what several do nearly so.
    package func rescue(limit: Int = 2_500) async throws(QueueError) -> [Rescued] {
        let settings = settings
        let rescued = try await pool.together { session in
            let expired = try session.query(
                """
                SELECT id, lease_token, crash_count, alone, group_id FROM countersign.job
                WHERE leased AND lease_expires_at < now()
                ORDER BY lease_expires_at LIMIT \(limit)::int FOR UPDATE SKIP LOCKED
                """
            ).map(ExpiredLease.init)
            for lease in expired where lease.isPoison(under: settings) {
                _ = try Self.conclude(
                    jobID: lease.jobID, leaseToken: lease.leaseToken, as: .failed, lease.poison, in: session)
            }
            let innocent = expired.filter { !$0.isPoison(under: settings) }
            // those of one group come back together, with the one that crashed most: one after the other, they would make a
            // statement each
            var together: [Int64: Duration] = [:]
            let back = innocent.sorted { $0.crashes > $1.crashes }.map { lease in
                let delay =
                    lease.groupID.flatMap { together[$0] }
                    ?? lease.delay(ceiling: settings.crashBackoffCeiling, random: .random(in: 0..<1))
                if let group = lease.groupID { together[group] = delay }
                return lease.back(after: delay)
            }
            _ = try Self.putBack(back, in: session)
            return expired.map {
                Rescued(jobID: $0.jobID, crashes: $0.crashes + 1, isBuried: $0.isPoison(under: settings))
            }
        }
        if !rescued.isEmpty { notifier.jobsAreDue() }
        return rescued
    }

    /// Once an hour: partitions for the days to come; leases and workers that nobody will miss. What is kept for a
    /// configured time is ``Retention``'s. The one is done although the other fails.
    /// - Returns: events that had no partition of their own. More than 0 means that maintenance did not run for days.
    @discardableResult
    package func maintain() async throws(QueueError) -> Int {
        let partitions = await createPartitions()
        _ = try await pool.together { session in
            _ = try session.execute(
                "DELETE FROM countersign.subject_lease WHERE expires_at < now() - interval '1 hour'")
            _ = try session.execute("DELETE FROM countersign.worker WHERE seen_at < now() - interval '1 day'")
        }
        return try partitions.get()
    }

    private func createPartitions() async -> Result<Int, QueueError> {
        let ahead = Int32(clamping: settings.partitionsAhead)
        do throws(QueueError) {
            let strayed = try await pool.together { session in
                try session.query("SELECT countersign.create_event_partitions(\(ahead)::int) AS strayed")
                    .first?.decode("strayed", as: Int64.self) ?? 0
            }
            return .success(Int(strayed))
        } catch {
            return .failure(error)
        }
    }

    /// Shows this process in the `worker` table; repeated calls move `seen_at` on. `draining` from the moment of SIGTERM.
    package func announce(host: String, version: String, draining: Bool = false) async throws(QueueError) {
        let worker = worker
        _ = try await pool.together { session in
            try session.execute(
                """
                INSERT INTO countersign.worker (id, host, version, draining)
                VALUES (\(worker)::uuid, \(host)::text, \(version)::text, \(draining))
                ON CONFLICT (id) DO UPDATE SET seen_at = now(), draining = excluded.draining
                """)
        }
    }
}

/// A job whose holder stopped beating, and what that means for it; pure.
struct ExpiredLease: Sendable {
    let jobID: Int64
    let leaseToken: Int64
    let crashes: Int
    let alone: Bool
    /// Of those that may be signed with one statement.
    var groupID: Int64?

    /// Many jobs are held when a process dies, and only one of them may have killed it: none is buried for that. From the
    /// limit on it ran alone each time; once more may be somebody else's doing, such as a node that was taken away.
    func isPoison(limit: Int, alone aloneLimit: Int) -> Bool { alone && crashes + 1 >= limit + aloneLimit }

    fileprivate func isPoison(under settings: JobQueue.Settings) -> Bool {
        isPoison(limit: settings.crashLimit, alone: settings.aloneCrashLimit)
    }

    /// - Parameter random: uniform in 0..<1.
    func delay(ceiling: Duration, random: Double) -> Duration {
        let span = min(ceiling, .seconds(1 << min(crashes + 1, 20)))
        return span * random
    }

    func back(after delay: Duration) -> JobReturn {
        JobReturn(
            jobID: jobID, leaseToken: leaseToken, error: crashed, delay: delay,
            // a process that died says nothing about the job: crashes have a count and an end of their own
            uncountedAttempts: 1, failures: 1, crashes: 1)
    }

    private var crashed: Failure {
        Failure(
            code: "queue.lease_expired", stage: "claim",
            observed: "the worker that held this job stopped answering (crash \(crashes + 1))",
            fix: "nothing; it is tried again. If workers keep dying, read the daemon's log")
    }

    var poison: Failure {
        Failure(
            code: "queue.poison", stage: "claim",
            observed: "the worker died \(crashes + 1) times with this job, lately while it ran nothing else",
            fix: "report the daemon's log; after an upgrade: push again, or redrive job \(jobID)")
    }
}

extension ExpiredLease {
    fileprivate init(_ row: Row) throws {
        self.init(
            jobID: try row.decode("id"), leaseToken: try row.decode("lease_token"),
            crashes: Int(try row.decode("crash_count", as: Int32.self)), alone: try row.decode("alone"),
            groupID: try row.decode("group_id"))
    }
}
