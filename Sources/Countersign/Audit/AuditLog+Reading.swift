package import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore

extension AuditLog {
    /// One act as it was written down.
    package struct Record: Sendable {
        /// In the chain, from 1 on.
        package let position: Int64
        package let at: Date
        /// Of its row, in hex.
        package let hash: String
        package let entry: Entry
    }

    /// Which acts; nil members narrow nothing.
    package struct Filter: Sendable {
        package var repositories = RepositoryFilter()
        package var actor: String?
        package var action: String?
        package var outcome: Outcome?

        package init() {}
    }

    /// Acts, the latest first.
    /// - Parameter before: ``Page/next`` of the page before.
    package func page(
        _ filter: Filter, before: Int64? = nil, limit: Int = 100
    ) async throws(QueueError) -> Page<Record> {
        try await Gathering(step: 1000, steps: 5).page(
            before: before, limit: min(max(limit, 1), 500), cursor: \.position,
            item: { record in filter.passes(record.entry) ? record : nil },
            rows: { before, count throws(QueueError) in
                try await pool.rows(
                    """
                    SELECT position, at, hash, token_id, actor, action, repository, subject, type, digest, outcome, code,
                        detail
                    FROM countersign.audit WHERE position < coalesce(\(before)::bigint, 9223372036854775807)
                    ORDER BY position DESC LIMIT \(count)::int
                    """
                ).values(Record.init)
            })
    }

    /// The latest acts, newest first.
    package func latest(_ limit: Int) async throws(QueueError) -> [Entry] {
        try await page(Filter(), limit: limit).items.map(\.entry)
    }
}

extension AuditLog.Record {
    fileprivate init(_ row: Row) throws {
        position = try row.decode("position")
        at = try row.decode("at")
        hash = Hex.encode(try row.decode("hash", as: [UInt8].self))
        entry = try AuditLog.Entry(row)
    }
}

extension AuditLog.Filter {
    fileprivate func passes(_ entry: AuditLog.Entry) -> Bool {
        guard actor.map({ $0 == entry.actor }) ?? true, action.map({ $0 == entry.action }) ?? true,
            outcome.map({ $0 == entry.outcome }) ?? true
        else { return false }
        if repositories.isOpen { return true }
        // what is about no repository is not for a token that is confined to some
        guard let repository = entry.repository.flatMap({ try? Repository($0) }) else { return false }
        return repositories.allows(repository) && (entry.type.map(isWithinScope) ?? true)
    }

    /// A row has the type as it was asked for where the request was refused before it was read.
    private func isWithinScope(_ type: String) -> Bool {
        repositories.scope?.allows(predicateType: (try? PredicateType(type))?.uri ?? type) ?? true
    }
}
