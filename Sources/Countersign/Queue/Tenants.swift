package import OCI
package import Postgres
import Synchronization

/// Whose repositories are whose, as the configuration says, and the numbers under which jobs know them. All daemons share
/// the numbers; where their configurations differ, that of the last one started counts.
package final class Tenants: Sendable {
    /// Whom all repositories belong to that no tenant names.
    package static let everybody: Int16 = 0

    private let configured: [TenantConfiguration]
    private let known: Mutex<[String: Int16]>

    package init(_ configured: [TenantConfiguration]) {
        self.configured = configured
        known = Mutex([:])
    }

    /// Every tenant that may have jobs.
    package var ids: [Int16] { ([Self.everybody] + known.withLock { Array($0.values) }).sorted() }

    /// The first tenant of the configuration that names it; nil: none does.
    package func name(of repository: Repository) -> String? {
        configured.first { $0.contains(repository) }?.name
    }

    /// Numbers those of the configuration, and learns those of other daemons.
    package func number(in pool: ConnectionPool) async throws(QueueError) {
        let names = configured.map(\.name)
        let rows = try await pool.together { session -> [Row] in
            let missing = try session.query(
                """
                SELECT n.name FROM unnest(\(names)::text[]) AS n(name)
                WHERE NOT EXISTS (SELECT FROM countersign.tenant t WHERE t.name = n.name)
                """)
            if !missing.isEmpty {
                // so few, and so seldom, that nobody minds waiting
                _ = try session.execute("LOCK TABLE countersign.tenant IN SHARE ROW EXCLUSIVE MODE")
                _ = try session.execute(
                    """
                    INSERT INTO countersign.tenant (id, name)
                    SELECT (SELECT max(id) FROM countersign.tenant) + row_number() OVER (ORDER BY n.name), n.name
                    FROM unnest(\(names)::text[]) AS n(name)
                    ON CONFLICT (name) DO NOTHING
                    """)
            }
            return try session.query(
                "SELECT id, name FROM countersign.tenant WHERE id <> \(Self.everybody)::smallint ORDER BY id")
        }
        let numbers = try rows.values {
            (try $0.decode("name", as: String.self), try $0.decode("id", as: Int16.self))
        }
        known.withLock { $0 = Dictionary(numbers) { $1 } }
    }

    private static let step = 1_000

    /// Assigns repositories to their tenants, and their waiting jobs with them.
    /// - Parameter all: also those that were assigned before, as at a start: the configuration may be another.
    package func assign(all: Bool, in pool: ConnectionPool) async throws(QueueError) {
        let unassigned: Query = all ? "" : "AND tenant IS NULL"
        var last: Int32 = 0
        while true {
            let after = last
            let rows = try await pool.rows(
                """
                SELECT id, registry, name, tenant FROM countersign.repository
                WHERE id > \(after)::int \(unassigned) ORDER BY id LIMIT \(Self.step)::int
                """)
            let found = try rows.values { row in
                (
                    id: try row.decode("id", as: Int32.self), tenant: try row.decode("tenant", as: Int16?.self),
                    repository: try row.validRepository()
                )
            }
            let changed = known.withLock { known in
                found.compactMap { row -> Assignment? in
                    guard let repository = row.repository else { return nil }
                    let tenant = name(of: repository).flatMap { known[$0] } ?? Self.everybody
                    return tenant == row.tenant ? nil : Assignment(repository: row.id, from: row.tenant, to: tenant)
                }
            }
            if !changed.isEmpty { try await store(changed, in: pool) }
            guard found.count == Self.step, let end = found.last else { return }
            last = end.id
        }
    }

    private struct Assignment: Sendable {
        let repository: Int32
        let from: Int16?
        let to: Int16
    }

    private func store(_ changed: [Assignment], in pool: ConnectionPool) async throws(QueueError) {
        // jobs of a repository that nobody has looked at are everybody's
        let moved = changed.filter { ($0.from ?? Self.everybody) != $0.to }.map(\.repository)
        _ = try await pool.together { session in
            _ = try session.execute(
                """
                UPDATE countersign.repository r SET tenant = c.tenant
                FROM unnest(\(changed.map(\.repository))::int[], \(changed.map(\.to))::smallint[]) AS c(id, tenant)
                WHERE r.id = c.id
                """)
            guard !moved.isEmpty else { return }
            // what is held now is in nobody's way
            _ = try session.execute(
                """
                UPDATE countersign.job j SET tenant = r.tenant FROM countersign.repository r
                WHERE r.id = j.repository_id AND r.id = ANY(\(moved)::int[]) AND j.id = ANY(ARRAY(
                    SELECT w.id FROM countersign.job w WHERE NOT w.leased AND w.repository_id = ANY(\(moved)::int[])
                    ORDER BY w.id FOR NO KEY UPDATE SKIP LOCKED))
                """)
        }
    }
}
