package import FoundationEssentials
package import Postgres

/// Whose turn it is, among all daemons, for work that asks somebody outside: one holder for a name at a time, for a short
/// time that it renews. Whoever dies leaves its turn to the next once the time is over.
package struct Turns: Sendable {
    let pool: ConnectionPool
    /// This process.
    private let holder: UUID
    private let lasting: Duration

    /// How long whoever has a turn may go on before renewing it: three quarters are left for one question outside.
    var renewal: Duration { lasting / 4 }

    /// - Parameter lasting: longer than anybody asks outside between two renewals.
    package init(pool: ConnectionPool, holder: UUID, lasting: Duration = .seconds(120)) {
        self.pool = pool
        self.holder = holder
        self.lasting = lasting
    }

    /// Takes the turn if it is free or run out, or renews it.
    /// - Returns: false while another daemon has it.
    package func take(_ name: String) async throws(QueueError) -> Bool {
        let rows = try await pool.rows(
            """
            INSERT INTO countersign.turn AS t (name, holder, expires_at)
            VALUES (\(name)::text, \(holder)::uuid, clock_timestamp() + \(lasting)::interval)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
            WHERE t.expires_at <= clock_timestamp() OR t.holder = excluded.holder
            RETURNING name
            """)
        return !rows.isEmpty
    }

    /// Gives it up early.
    package func release(_ name: String) async throws(QueueError) {
        _ = try await pool.rows(
            "DELETE FROM countersign.turn WHERE name = \(name)::text AND holder = \(holder)::uuid")
    }

    /// Whether this process still has the turn; held for the rest of the transaction, so that what is written in it stands
    /// alone.
    func holds(_ name: String, in session: Session) throws -> Bool {
        let rows = try session.query(
            """
            SELECT name FROM countersign.turn
            WHERE name = \(name)::text AND holder = \(holder)::uuid AND expires_at > clock_timestamp() FOR UPDATE
            """)
        return !rows.isEmpty
    }
}
