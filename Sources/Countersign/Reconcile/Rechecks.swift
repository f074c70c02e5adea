package import Logging
import Postgres
import ServiceLifecycle

/// Has every published signature and attestation looked at again, round after round: is it listed, are its bytes the ones that we published,
/// does it verify under the trust of now? The look itself is a job, the same that a repeated push makes: what is missing is put
/// back from the records, an image that was deleted is `gone`, and what does not verify raises an alert.
///
/// A round goes over the targets of a registry by repository and id, and passes over those that were verified within the
/// interval; so none is older than the interval and the length of a round. There is no list by age: an index over a time that
/// every signature writes would cost each of them more than its look.
///
/// A step is one transaction without any request outside. Every daemon takes them; one that is under way is passed over.
package struct Rechecks: Service {
    private let queue: JobQueue
    private let registries: [String]
    private let settings: ReconcileConfiguration.Recheck
    private let metrics: RecheckMetrics
    private let poll: Duration
    private let logger: Logger

    /// Targets that one step reads.
    private static let window = 2_000
    /// Repositories that one step goes through.
    private static let repositories = 50
    /// Jobs of the registry that wait in the bulk lane beyond which nothing is added: a look back has time, but the batch of
    /// another registry is none of its business.
    private static let backlog = 500
    /// Jobs of one repository that are read for that, the youngest: what is added is among them.
    private static let looked = 2_000
    /// The most that one step may make up for, in seconds of the rate: after a pause nothing comes in a heap.
    private static let longestStep = 10.0

    /// - Parameter registries: canonical names of those that are configured.
    package init(
        queue: JobQueue, registries: [String], settings: ReconcileConfiguration.Recheck, metrics: RecheckMetrics,
        poll: Duration = .seconds(1), logger: Logger
    ) {
        self.queue = queue
        self.registries = registries
        self.settings = settings
        self.metrics = metrics
        self.poll = poll
        self.logger = logger
    }

    package func run() async throws {
        guard settings.isScheduled else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                for registry in registries { await stepOrReport(registry) }
                try? await Task.sleep(for: poll * Double.random(in: 0.8..<1.2))
            }
        }
    }

    private func stepOrReport(_ registry: String) async {
        do {
            _ = try await step(registry)
        } catch {
            logger.error(
                "published signatures are not looked at",
                metadata: ["registry.host": "\(registry)", "error.code": "\(error.code)", "error": "\(error)"])
        }
    }

    /// What a step came to.
    package struct Step: Sendable, Equatable {
        /// Looks that were put into the queue.
        package var queued = 0
        /// Whether the round ended with it.
        package var isRoundOver = false
    }

    /// Goes on with the round of one registry, or begins one, as far as the rate allows.
    /// - Returns: nil while another daemon is at it, or enough is waiting.
    package func step(_ registry: String) async throws(QueueError) -> Step? {
        let settings = settings
        let step: Step? = try await queue.pool.together { session in
            _ = try session.execute(
                """
                INSERT INTO countersign.swept_registry (registry, recheck_stepped_at)
                SELECT \(registry)::text, now() - interval '1 second'
                WHERE NOT EXISTS (SELECT FROM countersign.swept_registry WHERE registry = \(registry)::text)
                ON CONFLICT DO NOTHING
                """)
            guard let place = try Self.place(in: registry, settings, session), !place.isResting else { return nil }
            let allowed = Int(max(0, min(place.elapsed, Self.longestStep)) * Double(settings.rate))
            guard allowed > 0, try !Self.isBehind(in: registry, session) else { return nil }
            return try Self.step(from: place, in: registry, allowed: allowed, settings, session)
        }
        guard let step else { return nil }
        if step.queued > 0 {
            queue.notifier.jobsAreDue()
            metrics.queued.increment(registry, by: Double(step.queued))
        }
        if step.isRoundOver { metrics.rounds.increment(registry) }
        return step
    }

    /// Where the round stands.
    private struct Place {
        let repository: Int32
        let target: Int64
        /// Seconds since the step before.
        let elapsed: Double
        /// Whether a round ended a tenth of the interval ago or less: hardly anything can have come of age since.
        let isResting: Bool
    }

    private static func place(
        in registry: String, _ settings: ReconcileConfiguration.Recheck, _ session: Session
    ) throws -> Place? {
        try session.query(
            """
            SELECT recheck_repository, recheck_target,
                extract(epoch FROM now() - recheck_stepped_at)::float8 AS elapsed,
                coalesce(recheck_round_at IS NULL AND recheck_ended_at > now() - \(settings.interval * 0.1)::interval, false)
                    AS is_resting
            FROM countersign.swept_registry WHERE registry = \(registry)::text FOR NO KEY UPDATE SKIP LOCKED
            """
        ).first.map {
            Place(
                repository: try $0.decode("recheck_repository"), target: try $0.decode("recheck_target"),
                elapsed: try $0.decode("elapsed"), isResting: try $0.decode("is_resting"))
        }
    }

    /// Whether enough is waiting. Those of everybody are one short range of an index; only where that is long is it asked whose
    /// they are.
    private static func isBehind(in registry: String, _ session: Session) throws -> Bool {
        func waiting(_ jobs: Query) throws -> Int {
            let rows = try session.query("SELECT count(*) AS jobs FROM (\(jobs) LIMIT \(Int64(backlog))) AS waiting")
            return Int(try rows.first?.decode("jobs", as: Int64.self) ?? 0)
        }
        let ofAll = try waiting(
            """
            SELECT FROM countersign.job
            WHERE NOT leased AND lane = \(Lane.bulk.rawValue)::smallint AND run_at <= now()
            """)
        guard ofAll >= backlog else { return false }
        return try waiting(
            """
            SELECT FROM countersign.repository r CROSS JOIN LATERAL (
                SELECT j.lane, j.run_at FROM countersign.job j WHERE j.repository_id = r.id AND NOT j.leased
                ORDER BY j.repository_id DESC, j.id DESC LIMIT \(Int64(looked))) AS job
            WHERE r.registry = \(registry)::text
                AND job.lane = \(Lane.bulk.rawValue)::smallint AND job.run_at <= now()
            """) >= backlog
    }

    private static func step(
        from place: Place, in registry: String, allowed: Int, _ settings: ReconcileConfiguration.Recheck,
        _ session: Session
    ) throws -> Step {
        var (repository, target) = (place.repository, place.target)
        var (due, read, isRoundOver): ([Int64], Int, Bool) = ([], 0, false)
        for _ in 0..<repositories where due.count < allowed && read < window {
            guard let next = try nextRepository(in: registry, from: repository, after: target, session) else {
                isRoundOver = true
                break
            }
            if next != repository { (repository, target) = (next, 0) }
            for row in try targets(in: repository, after: target, atMost: window - read, settings, session) {
                (target, read) = (row.id, read + 1)
                if row.isDue { due.append(row.id) }
                if due.count == allowed { break }
            }
        }
        let queued = due.isEmpty ? 0 : try queue(due, session)
        _ = try session.execute(
            """
            UPDATE countersign.swept_registry
            SET recheck_stepped_at = now(),
                recheck_queued = \(Int64(queued)) + CASE WHEN recheck_round_at IS NULL THEN 0 ELSE recheck_queued END,
                recheck_ended_at = CASE WHEN \(isRoundOver) THEN now() ELSE recheck_ended_at END,
                recheck_round_at = CASE WHEN NOT \(isRoundOver) THEN coalesce(recheck_round_at, now()) END,
                recheck_repository = CASE WHEN \(isRoundOver) THEN 0 ELSE \(repository)::int END,
                recheck_target = CASE WHEN \(isRoundOver) THEN 0 ELSE \(target) END
            WHERE registry = \(registry)::text
            """)
        return Step(queued: queued, isRoundOver: isRoundOver)
    }

    /// The repository under way, if it has more, or the next one that has targets; nil at the end of the round.
    private static func nextRepository(
        in registry: String, from repository: Int32, after target: Int64, _ session: Session
    ) throws -> Int32? {
        try session.query(
            """
            SELECT r.id FROM countersign.repository r
            WHERE r.registry = \(registry)::text AND r.id >= \(repository)::int
                AND EXISTS (SELECT FROM countersign.target t WHERE t.repository_id = r.id
                    AND t.id > CASE WHEN r.id = \(repository)::int THEN \(target) ELSE 0 END)
            ORDER BY r.id LIMIT 1
            """
        ).first?.decode("id")
    }

    private static func targets(
        in repository: Int32, after target: Int64, atMost limit: Int, _ settings: ReconcileConfiguration.Recheck,
        _ session: Session
    ) throws -> [(id: Int64, isDue: Bool)] {
        try session.query(
            """
            SELECT id, coalesce(state = 'signed' AND verified_at < now() - \(settings.interval)::interval
                AND (purpose = \(Purpose.signature.rawValue)::text OR NOT EXISTS (
                    SELECT FROM countersign.attestation a
                    WHERE a.target_id = target.id AND a.superseded_by IS NOT NULL)), false) AS is_due
            FROM countersign.target WHERE repository_id = \(repository)::int AND id > \(target)
            ORDER BY id LIMIT \(Int64(limit))
            """
        ).map { (id: try $0.decode("id"), isDue: try $0.decode("is_due")) }
    }

    /// Makes the looks jobs, unless there is one already. Of older generations, and of attestations that newer ones superseded,
    /// nothing is asked any more, unless the newer generation ended without a signature; what was revoked since is left alone.
    private static func queue(_ due: [Int64], _ session: Session) throws -> Int {
        try session.execute(
            """
            WITH due AS MATERIALIZED (
                SELECT t.id, t.repository_id, t.purpose FROM countersign.target t
                WHERE t.id = ANY(\(due)::bigint[]) AND t.state = 'signed'
                    AND NOT EXISTS (SELECT FROM countersign.target n
                        WHERE n.digest = t.digest AND n.repository_id = t.repository_id AND n.purpose = t.purpose
                            AND n.generation > t.generation AND \(unescaped: Lineage.counts))
                    AND (t.purpose = \(Purpose.signature.rawValue)::text OR (
                        EXISTS (SELECT FROM countersign.attestation a WHERE a.target_id = t.id AND a.superseded_by IS NULL)
                        AND NOT EXISTS (SELECT FROM countersign.revocation v
                            WHERE v.repository_id = t.repository_id AND v.digest = t.digest AND v.released_at IS NULL)))
                ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED)
            INSERT INTO countersign.job (kind, target_id, repository_id, lane)
            SELECT CASE WHEN purpose = \(Purpose.signature.rawValue)::text THEN \(JobKind.sign.rawValue)::text
                ELSE \(JobKind.attest.rawValue)::text END, id, repository_id, \(Lane.bulk.rawValue)::smallint
            FROM due ORDER BY id
            ON CONFLICT (target_id) DO NOTHING
            """)
    }
}
