import Curl
import FoundationEssentials
import OCI
package import Postgres

/// How many signatures a repository may have in a UTC day: each format that one is made in is one, for it is an entry of a
/// log. They are counted by the commit that makes them stand (``Journal/prepare(_:for:within:)``), so that what was made is
/// counted once, whatever became of the answer, and what was not made never. Two statements a signing event, and only where
/// there is a cap.
package struct RepositoryCaps: Sendable {
    private let caps: [BudgetConfiguration.RepositoryCap]
    private let pool: ConnectionPool

    package init(_ caps: [BudgetConfiguration.RepositoryCap], pool: ConnectionPool) {
        self.caps = caps
        self.pool = pool
    }

    static let code = "budget.repository_cap"
    static let fix = "nothing: it is signed tomorrow; or raise budgets.repositories and restart"

    /// Whether the target's repository has a cap at all. Such targets are signed one by one: a statement about many would
    /// need a place for each.
    func cover(_ target: Target) -> Bool { cap(of: target) != nil }

    /// Asked before a certificate is, and takes nothing: the commit has the last word. More than its cap are made on a day that
    /// has no other: else they never could be.
    /// - Parameter signatures: those of the target that are to be made at once.
    /// - Throws: ``StageFailure`` with ``Withheld`` until the next day.
    func ask(_ target: Target, signatures: Int) async throws {
        guard let cap = cap(of: target) else { return }
        let others = Self.others(beside: signatures, under: cap)
        let rows = try await pool.rows(
            """
            WITH day AS (SELECT (now() AT TIME ZONE 'UTC')::date AS today)
            SELECT EXISTS (SELECT FROM countersign.repository_day d
                    WHERE d.repository_id = \(target.repositoryID)::int AND d.day = today
                        AND d.signatures > \(others)::int) AS is_used_up, \(Self.left) AS left
            FROM day
            """)
        guard let row = rows.first else { throw Self.dayUnreadable }
        guard try row.decode("is_used_up", as: Bool.self) else { return }
        throw StageFailure(
            stage: .authorise, underlying: Self.withheld(target, under: cap, for: try row.decode("left")))
    }

    /// Counts signatures of the target in the transaction that stores them.
    /// - Throws: ``QueueError/withheld(_:)`` until the next day, where others were faster; nothing of the transaction stands then.
    func count(_ signatures: Int, of target: Target, in session: Session) throws {
        guard signatures > 0, let cap = cap(of: target) else { return }
        let (count, others) = (Int32(clamping: signatures), Self.others(beside: signatures, under: cap))
        let rows = try session.query(
            """
            WITH day AS (SELECT (now() AT TIME ZONE 'UTC')::date AS today),
            counted AS (
                INSERT INTO countersign.repository_day AS d (repository_id, day, signatures)
                SELECT \(target.repositoryID)::int, today, \(count)::int FROM day
                ON CONFLICT (repository_id, day) DO UPDATE SET signatures = d.signatures + excluded.signatures
                    WHERE d.signatures <= \(others)::int
                RETURNING 1)
            SELECT EXISTS (SELECT FROM counted) AS is_counted, \(Self.left) AS left FROM day
            """)
        guard let row = rows.first else { throw Self.dayUnreadable }
        guard try !row.decode("is_counted", as: Bool.self) else { return }
        throw QueueError.withheld(Self.withheld(target, under: cap, for: try row.decode("left")))
    }

    private func cap(of target: Target) -> BudgetConfiguration.RepositoryCap? {
        caps.first { $0.repositories.contains { $0.matches(target.repository.description) } }
    }

    /// The most that a day may have already.
    private static func others(beside signatures: Int, under cap: BudgetConfiguration.RepositoryCap) -> Int32 {
        max(0, Int32(clamping: cap.signaturesPerDay - signatures))
    }

    /// The rest of the day.
    private static let left: Query = "((today + 1)::timestamp AT TIME ZONE 'UTC') - now()"

    private static var dayUnreadable: QueueError { .unreadable(table: "repository_day", what: "the day") }

    private static func withheld(
        _ target: Target, under cap: BudgetConfiguration.RepositoryCap, for time: Duration
    ) -> Withheld {
        Withheld(
            code: code, upstream: "repository \(target.repository)",
            observed: "\(target.repository) has had its \(cap.signaturesPerDay) signatures of this day (UTC)",
            after: time)
    }
}
