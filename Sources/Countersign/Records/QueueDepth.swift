import FoundationEssentials
import Postgres

/// How much work is left in one lane and state, for the metrics.
package struct QueueDepth: Sendable, Equatable {
    package let lane: Lane
    /// `queued`: due now. `waiting`: due later. `signing`: held by a worker.
    package let state: TargetState
    package let jobs: Int
    /// Since the push that made the oldest of them.
    package let oldestAge: Duration
    /// How long the oldest of them has been due: the number a user feels. Zero for other states than `queued`.
    package let longestDue: Duration
}

extension ArtifactRecords {
    /// Counted over the `job` table, which holds only what is left.
    package func queueDepth() async throws(QueueError) -> [QueueDepth] {
        try await pool.rows(
            """
            SELECT lane, state, count(*) AS jobs, now() - min(received_at) AS oldest,
                greatest(CASE WHEN state = 'queued' THEN now() - min(run_at) END, interval '0') AS due
            FROM (SELECT lane, received_at, run_at,
                    CASE WHEN leased THEN 'signing' WHEN run_at > now() THEN 'waiting' ELSE 'queued' END AS state
                FROM countersign.job) AS jobs
            GROUP BY lane, state ORDER BY lane, state
            """
        ).values { row in
            guard let lane = Lane(rawValue: try row.decode("lane")),
                let state = TargetState(rawValue: try row.decode("state"))
            else { throw QueueError.unreadable(table: "job", what: "state or lane") }
            return QueueDepth(
                lane: lane, state: state, jobs: Int(try row.decode("jobs", as: Int64.self)),
                oldestAge: try row.decode("oldest"), longestDue: try row.decode("due"))
        }
    }

    package func deadLetterCount() async throws(QueueError) -> Int {
        let rows = try await pool.rows("SELECT count(*) AS letters FROM countersign.dead_letter")
        return Int(try rows.values { try $0.decode("letters", as: Int64.self) }.first ?? 0)
    }
}
