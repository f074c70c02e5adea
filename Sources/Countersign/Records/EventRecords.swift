package import FoundationEssentials
import OCI
package import Postgres

/// What was heard of registries and of people: one row for each push, as it was received.
package struct EventRecords: Sendable {
    private let pool: ConnectionPool

    package init(pool: ConnectionPool) { self.pool = pool }

    /// One push notification, without its body.
    package struct Event: Sendable {
        package let id: Int64
        package let receivedAt: Date
        /// The same, exactly, since 1970.
        fileprivate let microseconds: Int64
        /// The endpoint that took it, or `api`.
        package let source: String
        /// As it was claimed where it was refused, canonical where it was accepted.
        package let registry: String
        package let repository: String
        package let digest: String?
        package let tag: String?
        package let mediaType: String?
        package let actor: String?
        package let verdict: String
        package let reason: String?
    }

    package struct Filter: Sendable {
        package var repositories = RepositoryFilter()
        package var verdict: String?
        package var after: Date?
        package var before: Date?

        package init() {}
    }

    /// Where a page ended: events of one commit have one time.
    package struct Cursor: Sendable, Equatable, LosslessStringConvertible {
        let microseconds: Int64
        let id: Int64

        init(_ event: Event) {
            microseconds = event.microseconds
            id = event.id
        }

        package init?(_ text: String) {
            let parts = text.split(separator: "-").map { Int64($0) }
            guard parts.count == 2, let microseconds = parts[0], let id = parts[1] else { return nil }
            (self.microseconds, self.id) = (microseconds, id)
        }

        package var description: String { "\(microseconds)-\(id)" }
    }

    /// Events, the latest first. Known for as long as they are kept.
    package func events(
        _ filter: Filter, before: Cursor? = nil, limit: Int = 100
    ) async throws(QueueError) -> (items: [Event], next: Cursor?) {
        let exact = filter.repositories.exact
        return try await Gathering(step: 1000, steps: 5).gather(
            before: before, limit: min(max(limit, 1), 500), cursor: Cursor.init,
            item: { event in filter.passes(event) ? event : nil },
            rows: { before, count throws(QueueError) in
                try await pool.rows(
                    """
                    SELECT id, received_at, (extract(epoch FROM received_at) * 1000000)::bigint AS microseconds, source,
                        registry, repository, digest, tag, media_type, actor, verdict, reason
                    FROM countersign.event
                    WHERE (received_at, id) < (
                            coalesce('epoch'::timestamptz + \(before?.microseconds)::bigint * interval '1 microsecond',
                                'infinity'::timestamptz),
                            coalesce(\(before?.id)::bigint, 9223372036854775807))
                        AND received_at < coalesce(\(filter.before)::timestamptz, 'infinity')
                        AND received_at >= coalesce(\(filter.after)::timestamptz, '-infinity')
                        AND (\(exact?.registry)::text IS NULL
                            OR (registry = \(exact?.registry)::text AND repository = \(exact?.name)::text))
                    ORDER BY received_at DESC, id DESC LIMIT \(count)::int
                    """
                ).values(Event.init)
            })
    }
}

extension EventRecords.Event {
    fileprivate init(_ row: Row) throws {
        id = try row.decode("id")
        receivedAt = try row.decode("received_at")
        microseconds = try row.decode("microseconds")
        source = try row.decode("source")
        registry = try row.decode("registry")
        repository = try row.decode("repository")
        digest = try row.decode("digest")
        tag = try row.decode("tag")
        mediaType = try row.decode("media_type")
        actor = try row.decode("actor")
        verdict = try row.decode("verdict")
        reason = try row.decode("reason")
    }
}

extension EventRecords.Filter {
    fileprivate func passes(_ event: EventRecords.Event) -> Bool {
        guard verdict.map({ $0 == event.verdict }) ?? true else { return false }
        if repositories.isOpen { return true }
        // what was refused may name no repository at all
        guard let repository = try? Repository(registry: event.registry, name: event.repository) else { return false }
        return repositories.allows(repository)
    }
}
