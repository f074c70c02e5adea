import Curl
import FoundationEssentials
import OCI
package import Postgres

/// How many signatures a repository may have in a UTC day: each format that one is made in is one, for it is an entry of a
/// log. One statement a signing event, and only where there is a cap.
package struct RepositoryCaps: Sendable {
    private let caps: [BudgetConfiguration.RepositoryCap]
    private let pool: ConnectionPool

    package init(_ caps: [BudgetConfiguration.RepositoryCap], pool: ConnectionPool) {
        self.caps = caps
        self.pool = pool
    }

    static let code = "budget.repository_cap"

    /// Whether the target's repository has a cap at all. Such targets are signed one by one: a statement about many would
    /// need a place for each.
    func cover(_ target: Target) -> Bool {
        caps.contains { $0.repositories.contains { $0.matches(target.repository.description) } }
    }

    /// Runs `make`, which makes so many signatures of the target at once, if its repository may still have them today. More than
    /// its cap are made on a day that has no other: else they never could be.
    /// - Throws: ``StageFailure`` with ``Withheld`` until the next day; what `make` throws: then the place is given back.
    func within<Value: Sendable>(
        _ target: Target, signatures: Int, _ make: () async throws -> Value
    ) async throws -> Value {
        guard let cap = caps.first(where: { $0.repositories.contains { $0.matches(target.repository.description) } })
        else { return try await make() }
        let count = Int32(clamping: signatures)
        let day = try await take(count, target, cap)
        do {
            return try await make()
        } catch {
            // in a task of its own: the failure may be this one's cancellation. Whoever dies here has used them up
            await Task { try? await giveBack(count, target, day) }.value
            throw error
        }
    }

    private func take(
        _ count: Int32, _ target: Target, _ cap: BudgetConfiguration.RepositoryCap
    ) async throws -> String {
        let (id, most) = (target.repositoryID, max(Int32(clamping: cap.signaturesPerDay), count))
        let rows = try await pool.rows(
            """
            WITH day AS (SELECT (now() AT TIME ZONE 'UTC')::date AS today),
            taken AS (
                INSERT INTO countersign.repository_day AS d (repository_id, day, signatures)
                SELECT \(id)::int, today, \(count)::int FROM day
                ON CONFLICT (repository_id, day) DO UPDATE SET signatures = d.signatures + excluded.signatures
                    WHERE d.signatures <= \(most)::int - excluded.signatures
                RETURNING d.day)
            SELECT (SELECT day::text FROM taken) AS taken,
                ((today + 1)::timestamp AT TIME ZONE 'UTC') - now() AS left
            FROM day
            """)
        guard let row = rows.first else { throw QueueError.unreadable(table: "repository_day", what: "the day") }
        if let day = try row.decode("taken", as: String?.self) { return day }
        throw StageFailure(
            stage: .authorise,
            underlying: Withheld(
                code: Self.code, upstream: "repository \(target.repository)",
                observed: "\(target.repository) has had its \(cap.signaturesPerDay) signatures of this day (UTC)",
                after: try row.decode("left")))
    }

    private func giveBack(_ count: Int32, _ target: Target, _ day: String) async throws {
        _ = try await pool.rows(
            """
            UPDATE countersign.repository_day SET signatures = signatures - \(count)::int
            WHERE repository_id = \(target.repositoryID)::int AND day = \(day)::text::date
                AND signatures >= \(count)::int
            """)
    }
}
