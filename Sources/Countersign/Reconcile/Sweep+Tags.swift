import FailPoints
import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Postgres

/// The tags of one repository.
extension Sweep {
    /// The repository whose turn it is: what somebody asked for first, but for one now and then that is only due. One that
    /// policy does not sign any more is forgotten.
    func dueRepository(of registry: SweptRegistry) async throws(QueueError) -> SweepRecords.Sweep? {
        let letsPass = registry.course.letsScheduledPass
        let due = try await queue.pool.rows(
            """
            \(unescaped: SweepRecords.sweepColumns)
            WHERE s.due_at <= now() AND r.registry = \(registry.name)::text
                AND (s.requested_at IS NOT NULL OR \(settings.isScheduled))
            ORDER BY (s.requested_at IS NULL) <> \(letsPass), s.due_at, s.repository_id LIMIT 20
            """
        ).values(SweepRecords.Sweep.init)
        for sweep in due {
            if plan.rule(for: sweep.repository) != nil { return sweep }
            _ = try await queue.pool.rows(
                "DELETE FROM countersign.swept_repository WHERE repository_id = \(sweep.id)::int")
        }
        return nil
    }

    /// One page: listed, each tag asked for, what nobody told of put into the queue.
    func page(of sweep: SweepRecords.Sweep, _ registry: SweptRegistry) async throws {
        guard let rule = plan.rule(for: sweep.repository) else { return }
        let name = sweep.repository.name
        let asked = try await databaseNow()
        try await registry.pacer.pass()
        let page: ListingPage
        do {
            page = try await registry.client.tagPage(name, at: sweep.page, size: settings.pageSize)
        } catch {
            if sweep.page == nil, let unknown = try await unknown(error, sweep) {
                return try await write([], sweep, rule, registry, asked: asked, unknown, next: nil)
            }
            guard sweep.page != nil, error.isAboutThePage else { throw error }
            // from the start, after a pause: a registry that never knows its own next page is one that fails
            try await restart(sweep, registry)
            throw error
        }
        var found: [Found] = []
        // a registry may give more tags than it was asked for
        let tags = page.names.filter { !SignatureTag.matches($0) }
        for start in stride(from: 0, to: tags.count, by: Self.questionLimit) {
            let few = Array(tags[start..<min(start + Self.questionLimit, tags.count)])
            guard let answers = try await answers(about: few, of: sweep, registry) else { return }
            found += answers
        }
        let failure = try passedOver(found, of: tags.count, sweep)
        try await write(found, sweep, rule, registry, asked: asked, failure, next: page.next)
    }

    /// By the clock that pushes are measured with: what was pushed since says more than an answer to a question asked before.
    func databaseNow() async throws(QueueError) -> String {
        let rows = try await queue.pool.rows("SELECT clock_timestamp()::text AS now")
        guard let now = try rows.values({ try $0.decode("now", as: String.self) }).first else {
            throw .unreadable(table: "", what: "clock_timestamp()")
        }
        return now
    }

    private func restart(_ sweep: SweepRecords.Sweep, _ registry: SweptRegistry) async throws {
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                """
                UPDATE countersign.swept_repository SET page = NULL, started_at = NULL WHERE repository_id = \(sweep.id)::int
                """)
        }
    }

    private func write(
        _ found: [Found], _ sweep: SweepRecords.Sweep, _ rule: PolicyConfiguration.Rule, _ registry: SweptRegistry,
        asked: String, _ failure: Failure?, next: String?
    ) async throws {
        let resolved = found.compactMap { found in found.digest.map { (tag: found.tag, digest: $0) } }
        let (version, interval) = (plan.policy.version, settings.isScheduled ? settings.interval : nil)
        try FailPoint.sweepPage.before(QueueError.injected)
        let counts: SweepRecords.Counts? = try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return nil }
            var counts = SweepRecords.Counts()
            (counts.tags, counts.unreadable) = (found.count, found.count - resolved.count)
            let known = try Self.known(resolved.map(\.digest), of: sweep.id, version, in: session)
            let missed = resolved.filter { !known.contains($0.digest) }
            counts.missed = Set(missed.map(\.digest)).count
            for start in stride(from: 0, to: missed.count, by: 500) {
                let requests = missed[start..<min(start + 500, missed.count)].map { found in
                    Self.request(found.tag, found.digest, sweep.repository, rule, version)
                }
                _ = try JobQueue.store(requests, in: session)
            }
            counts.moved = try Self.moveTags(resolved, of: sweep.id, asked: asked, in: session)
            try Self.advance(sweep, counts, asked: asked, failure, to: next, again: interval, in: session)
            return counts
        }
        guard let counts else { return }
        try FailPoint.sweepPage.after(QueueError.injected)
        metrics.tags.increment(registry.name, by: Double(counts.tags))
        metrics.missed.increment(registry.name, by: Double(counts.missed))
        metrics.moved.increment(registry.name, by: Double(counts.moved))
        if next == nil { metrics.sweeps.increment(registry.name) }
        guard counts.missed > 0 else { return }
        queue.notifier.jobsAreDue()
        logger.notice(
            "images that no webhook told of are queued",
            metadata: ["repository": "\(sweep.repository)", "missed": "\(counts.missed)", "tags": "\(counts.tags)"])
    }

    /// Digests for which nothing is to be done: their newest generation is signed or on its way, or somebody or something said
    /// no. `gone` is none of them, since the digest is there, and a refusal only under the policy of now.
    private static func known(
        _ digests: [OCI.Digest], of repository: Int32, _ policyVersion: String, in session: Session
    ) throws -> Set<OCI.Digest> {
        let rows = try session.query(
            """
            SELECT d.digest FROM (SELECT DISTINCT digest FROM unnest(\(digests.map(\.description))::text[]) AS u(digest)) AS d
            CROSS JOIN LATERAL (
                SELECT t.state, t.policy_version FROM countersign.target t
                WHERE t.digest = d.digest AND t.repository_id = \(repository)::int
                    AND t.purpose = \(Purpose.signature.rawValue)::text
                ORDER BY t.generation DESC LIMIT 1) AS newest
            WHERE newest.state <> 'gone'
                AND (newest.state <> 'refused' OR newest.policy_version = \(policyVersion)::text)
            """)
        return Set(try rows.map { try Digest(try $0.decode("digest", as: String.self)) })
    }

    /// What a push of it would have been, in the bulk lane: whoever pushes now goes first.
    private static func request(
        _ tag: String, _ digest: OCI.Digest, _ repository: Repository, _ rule: PolicyConfiguration.Rule,
        _ version: String
    ) -> EnqueueRequest {
        // names and digests of the registry's grammars have nothing in them that JSON would have to escape
        let body = Array(
            #"{"source":"sweep","repository":"\#(repository)","tag":"\#(tag)","digest":"\#(digest)"}"#.utf8)
        var request = EnqueueRequest(
            source: stage, registry: repository.registry, repository: repository.name, digest: digest, tag: tag,
            lane: .bulk, verdict: .accepted(rule: rule.name, policyVersion: version),
            delivery: RecordedDelivery(key: Hash.sha256(body), body: body))
        // the ledger of tags has its own line for what was found: see moveTags
        request.speaksForTag = false
        return request
    }

    /// Writes down where tags point, as far as that is news, unless they were pushed since they were asked for.
    /// - Returns: how many of them had pointed elsewhere.
    private static func moveTags(
        _ found: [(tag: String, digest: OCI.Digest)], of repository: Int32, asked: String, in session: Session
    ) throws -> Int {
        guard !found.isEmpty else { return 0 }
        let rows = try session.query(
            """
            WITH news AS MATERIALIZED (
                SELECT p.tag, p.digest, h.digest IS NOT NULL AS had_another
                FROM unnest(\(found.map(\.tag))::text[], \(found.map(\.digest.description))::text[]) AS p(tag, digest)
                LEFT JOIN LATERAL (
                    SELECT digest, seen_at FROM countersign.tag_history
                    WHERE repository_id = \(repository)::int AND tag = p.tag ORDER BY id DESC LIMIT 1) AS h ON true
                WHERE h.digest IS DISTINCT FROM p.digest
                    AND (h.seen_at IS NULL OR h.seen_at <= \(asked)::text::timestamptz)),
            written AS (
                INSERT INTO countersign.tag_history (repository_id, tag, digest, source, actor)
                SELECT \(repository)::int, tag, digest, 'resolved', 'sweep' FROM news ORDER BY tag RETURNING 1)
            SELECT count(*) FILTER (WHERE had_another) AS moved, (SELECT count(*) FROM written) AS written FROM news
            """)
        // where they point is known now, however it went when they were asked for before
        _ = try session.execute(
            """
            DELETE FROM countersign.dead_letter WHERE job_id = ANY(ARRAY(
                SELECT job_id FROM countersign.dead_letter
                WHERE repository_id = \(repository)::int AND tag = ANY(\(found.map(\.tag))::text[]) AND target_id IS NULL
                    AND received_at <= \(asked)::text::timestamptz
                ORDER BY job_id FOR UPDATE))
            """)
        return Int(try rows.first?.decode("moved", as: Int64.self) ?? 0)
    }

    /// The place in the listing, in the commit of what the page came to; unless it began anew meanwhile. A request is met by a
    /// listing that began after it; one that came meanwhile has another follow. What was passed over is told until the next
    /// one begins.
    private static func advance(
        _ sweep: SweepRecords.Sweep, _ counts: SweepRecords.Counts, asked: String, _ failure: Failure?,
        to next: String?,
        again interval: Duration?, in session: Session
    ) throws {
        let isFirst = sweep.startedAt == nil
        _ = try session.execute(
            """
            UPDATE countersign.swept_repository
            SET started_at = CASE WHEN \(next)::text IS NULL THEN NULL WHEN \(isFirst) THEN \(asked)::text::timestamptz
                    ELSE started_at END,
                page = \(next)::text,
                tags = \(Int32(counts.tags))::int + CASE WHEN \(isFirst) THEN 0 ELSE tags END,
                missed = \(Int32(counts.missed))::int + CASE WHEN \(isFirst) THEN 0 ELSE missed END,
                moved = \(Int32(counts.moved))::int + CASE WHEN \(isFirst) THEN 0 ELSE moved END,
                unreadable = \(Int32(counts.unreadable))::int + CASE WHEN \(isFirst) THEN 0 ELSE unreadable END,
                failures = 0, error = coalesce(\(try failure?.json())::text::jsonb, CASE WHEN NOT \(isFirst)
                    AND error->>'code' = \(tagUnreadableCode)::text THEN error END),
                swept_at = CASE WHEN \(next)::text IS NULL THEN now() ELSE swept_at END,
                requested_at = CASE WHEN \(next)::text IS NULL
                    AND requested_at <= coalesce(started_at, \(asked)::text::timestamptz) THEN NULL ELSE requested_at END,
                due_at = CASE WHEN \(next)::text IS NULL
                    AND (requested_at IS NULL OR requested_at <= coalesce(started_at, \(asked)::text::timestamptz))
                    THEN now() + \(interval)::interval ELSE now() END
            WHERE repository_id = \(sweep.id)::int AND page IS NOT DISTINCT FROM \(sweep.page)::text
            """)
    }

    /// A page that was not asked for, since there was no turn for it at the registry: nothing has failed.
    func putOff(
        _ sweep: SweepRecords.Sweep, _ registry: SweptRegistry, for time: Duration
    ) async throws(QueueError) {
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                """
                UPDATE countersign.swept_repository SET due_at = now() + \(time)::interval WHERE repository_id = \(sweep.id)::int
                """)
        }
    }

    /// A page that failed is asked for again later; who asked for the sweep hears of it after some times.
    func note(
        _ failure: Failure, _ sweep: SweepRecords.Sweep, _ registry: SweptRegistry, again pause: Duration
    ) async throws(QueueError) {
        let (isScheduled, patience) = (settings.isScheduled, Int32(Self.requestPatience))
        try await queue.pool.together { session in
            guard try turns.holds(registry.turn, in: session) else { return }
            _ = try session.execute(
                """
                UPDATE countersign.swept_repository
                SET failures = failures + 1, error = \(try failure.json())::text::jsonb,
                    requested_at = CASE WHEN failures + 1 < \(patience)::int THEN requested_at END,
                    due_at = CASE WHEN \(isScheduled) OR failures + 1 < \(patience)::int THEN now() + \(pause)::interval END
                WHERE repository_id = \(sweep.id)::int
                """)
        }
    }
}

extension OCIError {
    /// A page's address that the registry does not know (any more), as against a fault of the registry.
    var isAboutThePage: Bool {
        switch self {
        case .notFound, .refused, .referenceMalformed: true
        default: false
        }
    }
}
