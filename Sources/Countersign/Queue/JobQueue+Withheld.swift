import Curl
import Postgres

extension Failure {
    /// What a job waits for that was not let to its upstream.
    init(_ withheld: Withheld, stage: SigningStage) {
        self.init(
            code: withheld.code, stage: stage.rawValue, observed: withheld.observed,
            fix: Self.fix(withheld), upstream: withheld.upstream)
    }

    private static func fix(_ withheld: Withheld) -> String {
        switch withheld.code {
        case DependencyGate.openCode:
            "see that \(withheld.upstream) is up; it is tried again by itself, and the job with it"
        case RepositoryCaps.code: RepositoryCaps.fix
        default: "nothing: it waits for its turn; raise the budget in the configuration if the upstream bears more"
        }
    }
}

extension JobQueue {
    private static let step = 1_000

    /// Makes what waits for a dependency due, now that it answers again.
    /// - Returns: how many jobs.
    @discardableResult
    package func wakeWithheld(by dependency: Dependency) async throws(QueueError) -> Int {
        let woken = try await wake("last_error ->> 'upstream' = \(dependency.description)::text")
        if woken > 0 { notifier.jobsAreDue() }
        return woken
    }

    /// Lets what waits for a repository's cap try again: an operator may have raised it.
    package func wakeCapped() async throws(QueueError) {
        _ = try await wake("last_error ->> 'code' = \(RepositoryCaps.code)::text")
        notifier.jobsAreDue()
    }

    /// Makes due what was withheld and fits, piece by piece.
    /// - Returns: how many jobs.
    private func wake(_ condition: Query) async throws(QueueError) -> Int {
        var (woken, last) = (0, Int64(0))
        while true {
            let statement = Self.wakeStatement(condition, after: last)
            let found = try await pool.together { session -> (count: Int64, last: Int64?) in
                try session.query(statement).first.map {
                    (count: try $0.decode("woken"), last: try $0.decode("last"))
                } ?? (0, nil)
            }
            woken += Int(found.count)
            guard found.count == Int64(Self.step), let next = found.last else { return woken }
            last = next
        }
    }

    /// - Parameter last: the last job of the piece before. What was woken keeps its error until it is claimed, and would be read
    ///   again with every piece.
    static func wakeStatement(_ condition: Query, after last: Int64) -> Query {
        """
        WITH withheld AS MATERIALIZED (
            SELECT id FROM countersign.job
            WHERE NOT leased AND last_error ? 'upstream' AND \(condition) AND id > \(last) AND run_at > now()
            ORDER BY id LIMIT \(step)::int FOR NO KEY UPDATE SKIP LOCKED),
        woken AS (
            UPDATE countersign.job SET run_at = now()
            WHERE id = ANY(ARRAY(SELECT id FROM withheld)) RETURNING id)
        SELECT count(*) AS woken, max(id) AS last FROM woken
        """
    }

    /// Puts off the due jobs of a registry that is down, spread over as long again, so that claims need not step over
    /// them. They wait visibly, and no attempt is counted.
    /// - Returns: how many jobs.
    @discardableResult
    package func parkJobs(
        ofRegistry registry: String, _ failure: Failure, after time: Duration
    ) async throws(QueueError) -> Int {
        // what is over in a moment is not worth it, and what was put off must not be met again in the same pass
        guard time >= .seconds(1) else { return 0 }
        let spread = min(time, .seconds(60))
        var (parked, last) = (0, Int64(0))
        while true {
            let after = last
            let found = try await pool.together { session -> (count: Int64, last: Int64?) in
                let error = try failure.json()
                return try session.query(
                    """
                    WITH due AS MATERIALIZED (
                        SELECT j.id FROM countersign.job j
                        WHERE NOT j.leased AND j.id > \(after) AND j.run_at <= now()
                            AND j.repository_id = ANY(ARRAY(SELECT r.id FROM countersign.repository r
                                WHERE r.registry = \(registry)::text))
                        ORDER BY j.id LIMIT \(Self.step)::int FOR NO KEY UPDATE SKIP LOCKED),
                    parked AS (
                        UPDATE countersign.job j
                        SET run_at = now() + \(time)::interval + random() * \(spread)::interval, last_error = \(error)::jsonb
                        WHERE j.id = ANY(ARRAY(SELECT id FROM due)) RETURNING j.id, j.target_id),
                    shown AS (
                        UPDATE countersign.target t SET state = 'waiting', last_error = \(error)::jsonb, updated_at = now()
                        WHERE t.id = ANY(ARRAY(SELECT target_id FROM parked WHERE target_id IS NOT NULL))
                            AND t.state = 'queued' RETURNING 1)
                    SELECT count(*) AS parked, max(id) AS last FROM parked
                    """
                ).first.map { (count: try $0.decode("parked"), last: try $0.decode("last")) } ?? (0, nil)
            }
            parked += Int(found.count)
            guard found.count == Int64(Self.step), let next = found.last else { return parked }
            last = next
        }
    }

    /// Jobs that wait for each dependency, by its description.
    package func withheldJobs() async throws(QueueError) -> [String: Int] {
        let rows = try await pool.rows(
            """
            SELECT last_error ->> 'upstream' AS upstream, count(*) AS jobs FROM countersign.job
            WHERE NOT leased AND last_error ? 'upstream' GROUP BY 1
            """)
        let counts = try rows.values {
            (try $0.decode("upstream", as: String.self), Int(try $0.decode("jobs", as: Int64.self)))
        }
        return Dictionary(counts) { $1 }
    }
}
