import FoundationEssentials
package import Postgres
import StrictJSON

/// Events that were stored to be told. The triggers of migration 11 put them there, in the commit that made them true.
///
/// A delivery in progress is a row whose `due_at` lies ahead: whoever dies with it leaves it due again, and the receiver
/// gets the event a second time under the same id.
package struct Outbox: Sendable {
    private let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// One event for one receiver.
    package struct Letter: Sendable {
        package let id: Int64
        package let event: CloudEvent
        /// Deliveries begun, this one included.
        package let attempts: Int
        /// Since it became true.
        package let age: Duration
    }

    /// How often a daemon says that it has its receivers.
    package static let renewal: Duration = .seconds(60)
    /// A receiver that no daemon has had for so long is gone, with what was stored for it: nobody would ever send it. Longer
    /// than any restart or cut cable, so that nothing is lost of a receiver whose daemons are away; a removed one costs the
    /// rows of a day.
    package static let absence: Duration = .seconds(86_400)

    /// Makes the receivers of the configuration known to the triggers, and forgets those that no daemon has any more. Which types
    /// a receiver is told of is what the daemon says that started last.
    package func register(_ sinks: [NotificationConfiguration.Sink]) async throws(QueueError) {
        try await write(sinks, replacingTypes: true)
    }

    /// Says again that this daemon has these receivers.
    package func renew(_ sinks: [NotificationConfiguration.Sink]) async throws(QueueError) {
        try await write(sinks, replacingTypes: false)
    }

    private func write(
        _ sinks: [NotificationConfiguration.Sink], replacingTypes: Bool
    ) async throws(QueueError) {
        let own = sinks.sorted { $0.name < $1.name }.map { (name: $0.name, types: $0.types.map(\.rawValue).sorted()) }
        try await pool.together { session in
            for sink in own {
                _ = try session.execute(
                    """
                    INSERT INTO countersign.notification_sink AS s (name, types)
                    VALUES (\(sink.name)::text, \(sink.types)::text[])
                    ON CONFLICT (name) DO UPDATE SET seen_at = now(),
                        types = CASE WHEN \(replacingTypes) THEN excluded.types ELSE s.types END,
                        updated_at = CASE WHEN \(replacingTypes) AND s.types <> excluded.types THEN now()
                            ELSE s.updated_at END
                    """)
            }
            _ = try session.execute(
                "DELETE FROM countersign.notification_sink WHERE seen_at < now() - \(Self.absence)::interval")
            // also of receivers whose row another daemon, of the version before, took away
            _ = try session.execute(
                """
                DELETE FROM countersign.outbox o WHERE o.occurred_at < now() - \(Self.absence)::interval
                    AND NOT EXISTS (SELECT FROM countersign.notification_sink s WHERE s.name = o.sink)
                """)
        }
    }

    /// Takes what is due for one receiver, oldest first. It is this daemon's for `lease`, by the database's clock.
    package func claim(
        for sink: String, source: String, limit: Int, lease: Duration
    ) async throws(QueueError) -> [Letter] {
        try await pool.rows(
            """
            WITH due AS MATERIALIZED (
                SELECT id FROM countersign.outbox WHERE sink = \(sink)::text AND due_at <= now()
                ORDER BY due_at, id LIMIT \(limit)::int FOR UPDATE SKIP LOCKED)
            UPDATE countersign.outbox o SET due_at = now() + \(lease)::interval, attempts = o.attempts + 1
            FROM due WHERE o.id = due.id
            RETURNING o.id, o.event_id, o.type, o.subject, o.data::text AS data, o.occurred_at, o.attempts,
                now() - o.occurred_at AS age
            """
        ).values { row in
            Letter(
                id: try row.decode("id"),
                event: CloudEvent(
                    id: try row.decode("event_id"), source: source, type: try row.decode("type"),
                    subject: try row.decode("subject"), time: try row.decode("occurred_at"),
                    data: try JSONValue(parsing: Array(row.decode("data", as: String.self).utf8))),
                attempts: Int(try row.decode("attempts", as: Int32.self)), age: try row.decode("age"))
        }
    }

    /// It was taken, or will never be: it goes.
    package func remove(_ letter: Letter) async throws(QueueError) {
        _ = try await pool.rows("DELETE FROM countersign.outbox WHERE id = \(letter.id)")
    }

    /// It was not taken. Due again after `delay`, unless another daemon holds it by now.
    package func postpone(
        _ letter: Letter, by delay: Duration, because failure: Failure
    ) async throws(QueueError) {
        let error: String
        do { error = try failure.json() } catch { throw QueueError(error) }
        _ = try await pool.rows(
            """
            UPDATE countersign.outbox SET due_at = now() + \(delay)::interval, last_error = \(error)::jsonb
            WHERE id = \(letter.id) AND attempts = \(Int32(letter.attempts))
            """)
    }

    /// What waits, by receiver that some daemon has now: how many, and how long the oldest has waited.
    package func backlog() async throws(QueueError) -> [(sink: String, events: Int, oldest: Duration)] {
        try await pool.rows(
            """
            SELECT o.sink, count(*) AS events, now() - min(o.occurred_at) AS oldest FROM countersign.outbox o
            WHERE EXISTS (SELECT FROM countersign.notification_sink s
                WHERE s.name = o.sink AND s.seen_at > now() - \(Self.renewal * 5)::interval)
            GROUP BY o.sink
            """
        ).values { row in
            (
                sink: try row.decode("sink"), events: Int(try row.decode("events", as: Int64.self)),
                oldest: try row.decode("oldest")
            )
        }
    }
}
