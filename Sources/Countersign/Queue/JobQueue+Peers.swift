import Postgres

extension JobQueue {
    /// How many other daemons beat within `age` and are not stopping.
    package func peers(within age: Duration) async throws(QueueError) -> Int {
        let rows = try await pool.rows(
            """
            SELECT count(*) AS peers FROM countersign.worker
            WHERE id <> \(worker)::uuid AND NOT draining AND seen_at > now() - \(age)::interval
            """
        ).values { try $0.decode("peers", as: Int64.self) }
        return Int(rows.first ?? 0)
    }
}
