import FoundationEssentials
import Postgres

/// The pool as the queue and the records use it: every failure is a ``QueueError``.
extension ConnectionPool {
    /// One statement in its own transaction, repeated once if PostgreSQL chose it as the victim of a deadlock.
    func rows(_ query: Query) async throws(QueueError) -> [Row] {
        do {
            do {
                return try await self.query(query)
            } catch let error where error.code == "postgres.serialization" {
                return try await self.query(query)
            }
        } catch {
            throw QueueError(error)
        }
    }

    /// Several statements in one round trip, which take effect together; repeated once as ``rows(_:)`` is.
    /// - Returns: the rows of each.
    func atOnce(_ queries: [Query]) async throws(QueueError) -> [[Row]] {
        do {
            do {
                return try await withSession { session in try session.pipeline(queries) }
            } catch let error as PostgresError where error.code == "postgres.serialization" {
                return try await withSession { session in try session.pipeline(queries) }
            }
        } catch {
            throw QueueError(error)
        }
    }

    /// What time it is for every row in our tables.
    func databaseNow() async throws(QueueError) -> Date {
        guard
            let now = try await rows("SELECT clock_timestamp() AS now").values({
                try $0.decode("now", as: Date.self)
            }).first
        else { throw .unreadable(table: "", what: "clock_timestamp()") }
        return now
    }

    /// Several statements that take effect together, in one hop.
    func together<Value: Sendable>(
        _ body: @escaping @Sendable (Session) throws -> Value
    ) async throws(QueueError) -> Value {
        do {
            return try await transaction(body)
        } catch {
            throw QueueError(error)
        }
    }
}

extension [Row] {
    /// Each row as a value; a row that cannot be read is an error, never left out.
    func values<Value>(_ make: (Row) throws -> Value) throws(QueueError) -> [Value] {
        do {
            return try map(make)
        } catch {
            throw QueueError(error)
        }
    }
}
