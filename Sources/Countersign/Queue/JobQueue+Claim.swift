import FailPoints
import FoundationEssentials
import OCI
import Postgres

extension JobQueue {
    /// Takes up to `limit` due jobs for this process. Claim no more than free slots: what is held but not run waits for
    /// nothing, and after a crash for its whole lease.
    /// Kinds that this version does not know stay for those who do.
    /// - Parameter closed: registries that are not asked now; what is theirs is left alone.
    /// - Parameter closedToBulk: registries of which only jobs of the bulk lane are left alone.
    /// - Parameter lanes: those to look into; nil: all, by their weights.
    /// - Parameter bulk: whether jobs of the bulk lane are wanted.
    /// - Parameter groups: whether jobs of groups are wanted; without a place for one they stay for whoever has.
    package func claim(
        limit: Int, lanes: [Lane]? = nil, cursor: ClaimCursor, closed: [String] = [], closedToBulk: [String] = [],
        bulk: Bool = true, groups: Bool = true
    ) async throws(QueueError) -> [Claim] {
        guard limit > 0 else { return [] }
        try FailPoint.claim.before(QueueError.injected)
        let starts = cursor.next(lanes: lanes, tenants: tenants.ids).filter { bulk || $0.lane != .bulk }
        let trustedUntil = ContinuousClock.now + settings.lease - settings.leaseMargin
        let statement = Self.claimStatement(
            limit: limit, starts: starts, worker: worker, lease: settings.lease, closed: closed,
            closedToBulk: closedToBulk, groups: groups)
        let claims = try await pool.together { session in
            try Self.read(session.query(statement), trustedUntil: trustedUntil, in: session)
        }
        if !claims.isEmpty { try FailPoint.claim.after(QueueError.injected) }
        cursor.claimed(claims.map { ($0.claim.lane, $0.tenant, $0.runAt) })
        return claims.sorted { ($0.runAt, $0.claim.jobID) < ($1.runAt, $1.claim.jobID) }.map(\.claim)
    }

    /// The claims of leased rows. One that cannot be read (a hand wrote it, or a newer daemon) is given up by its name: it
    /// must not keep the others from being claimed.
    static func read(
        _ rows: [Row], trustedUntil: ContinuousClock.Instant, in session: Session
    ) throws -> [ClaimedRow] {
        try rows.compactMap { row -> ClaimedRow? in
            do { return try ClaimedRow(row, trustedUntil: trustedUntil) } catch {
                let fault = QueueError(error)
                _ = try conclude(
                    jobID: try row.decode("id"), leaseToken: try row.decode("lease_token"), as: .failed,
                    Failure(
                        code: fault.code, stage: "claim", observed: "\(fault)",
                        fix: "look at who can write to the database; push again, if it should be signed"), in: session)
                return nil
            }
        }
    }

    /// Only while a registry is closed: the usual statement stays the usual statement.
    private static func notOf(_ closed: [String], _ closedToBulk: [String]) -> Query {
        func elsewhere(_ registries: [String]) -> Query {
            "NOT EXISTS (SELECT FROM countersign.repository r WHERE r.id = j.repository_id AND r.registry = ANY(\(registries)::text[]))"
        }
        let all: Query = closed.isEmpty ? "" : "AND \(elsewhere(closed))"
        let bulk: Query =
            closedToBulk.isEmpty ? "" : "AND (l.lane <> \(Lane.bulk.rawValue) OR \(elsewhere(closedToBulk)))"
        return "\(all) \(bulk)"
    }

    /// `ANY(ARRAY(…))` and not a join: prepared on an empty table, a join plan reads the whole table for ever after.
    /// `MATERIALIZED`, because a plain sub-select with LIMIT and FOR UPDATE may be run again and lock more than LIMIT.
    static func claimStatement(
        limit: Int, starts: [ClaimCursor.Start], worker: UUID, lease: Duration, closed: [String] = [],
        closedToBulk: [String] = [], groups: Bool = true
    ) -> Query {
        func due(_ condition: Query = "true") -> Query {
            """
            SELECT j.id FROM countersign.job j
            WHERE NOT j.leased AND j.lane = l.lane AND j.tenant = l.tenant AND \(condition)
                AND j.run_at >= l.since AND j.run_at <= now()
                AND j.kind = ANY(\(JobKind.handlers.map { $0.kind.rawValue })::text[]) \(notOf(closed, closedToBulk))
            ORDER BY j.lane, j.tenant, j.run_at, j.id LIMIT \(limit)::int
            FOR NO KEY UPDATE SKIP LOCKED
            """
        }
        // what a push made urgent is worked on by itself (ClaimedWork). Two branches: the index of what is in no group serves no OR
        let bulk = Lane.bulk.rawValue
        let (urgent, ungrouped) = (due("l.lane <> \(bulk)"), due("l.lane = \(bulk) AND j.group_id IS NULL"))
        let pick: Query =
            groups
            ? due()
            : """
            SELECT id FROM (\(urgent)) AS urgent UNION ALL SELECT id FROM (\(ungrouped)) AS ungrouped
            """
        return """
            WITH due AS MATERIALIZED (
                SELECT pick.id
                FROM unnest(\(starts.map(\.lane.rawValue))::smallint[], \(starts.map(\.tenant))::smallint[],
                    \(starts.map(\.since))::timestamptz[]) AS l(lane, tenant, since)
                CROSS JOIN LATERAL (\(pick)) AS pick
                LIMIT \(limit)::int),
            \(leaseStatement(worker: worker, lease: lease))
            """
    }

    /// The rest of a statement that leases the jobs of its expression `due`.
    static func leaseStatement(worker: UUID, lease: Duration) -> Query {
        """
        claimed AS (
            UPDATE countersign.job j
            SET leased = true, lease_token = nextval('countersign.lease_token'), worker = \(worker)::uuid,
                lease_expires_at = now() + \(lease)::interval, attempt = least(j.attempt + 1, \(counterLimit))
            WHERE j.id = ANY(ARRAY(SELECT id FROM due))
            RETURNING j.*),
        marked AS (
            UPDATE countersign.target t
            SET state = CASE WHEN t.state IN ('queued', 'waiting') THEN 'signing' ELSE t.state END,
                attempts = t.attempts + 1, updated_at = now()
            WHERE t.id = ANY(ARRAY(SELECT target_id FROM claimed))
            RETURNING t.id, t.repository_id, t.digest, t.purpose, t.generation, t.state, \(SignatureFormat.wanted) AS formats)
        SELECT c.id, c.kind, c.lease_token, c.lane, c.attempt, c.failures, c.crash_count, c.depth, c.run_at, c.tenant, c.tag, c.actor, c.delivery_key,
            c.group_id, r.id AS repository_id, r.registry, r.name,
            m.id AS target_id, m.digest, m.purpose, m.generation, m.state, m.formats
        FROM claimed c
        LEFT JOIN marked m ON m.id = c.target_id
        -- a target's repository is its own, whatever a job says
        JOIN countersign.repository r ON r.id = coalesce(m.repository_id, c.repository_id)
        """
    }
}

struct ClaimedRow: Sendable {
    let claim: Claim
    let runAt: Date
    let tenant: Int16

    init(_ row: Row, trustedUntil: ContinuousClock.Instant) throws {
        let id: Int64 = try row.decode("id")
        let kind = JobKind(rawValue: try row.decode("kind"))
        guard let handler = JobKind.known[kind] else {
            throw QueueError.unreadable(table: "job", what: "kind of job \(id)")
        }
        let subject = try Self.subject(row, looksBack: handler.looksBack)
        guard handler.takes(subject) else {
            let purpose = subject.target.map { "a target for \($0.purpose.rawValue)" } ?? "a tag"
            throw QueueError.unreadable(table: "job", what: "kind of job \(id), of \(purpose)")
        }
        guard let lane = Lane(rawValue: try row.decode("lane")) else {
            throw QueueError.unreadable(table: "job", what: "lane of job \(id)")
        }
        claim = Claim(
            jobID: id, leaseToken: try row.decode("lease_token"), kind: kind, subject: subject, lane: lane,
            attempt: Int(try row.decode("attempt", as: Int32.self)),
            failures: Int(try row.decode("failures", as: Int32.self)),
            crashes: Int(try row.decode("crash_count", as: Int32.self)),
            depth: try row.decode("depth"),
            deliveryKey: try row.decode("delivery_key"), groupID: try row.decode("group_id"),
            formats: try row.formats("formats"),
            lease: LeaseTrust(jobID: id, until: trustedUntil))
        runAt = try row.decode("run_at")
        tenant = try row.decode("tenant")
    }

    /// A job without a target is a tag's.
    private static func subject(_ row: Row, looksBack: Bool) throws -> Claim.Subject {
        let repository = try Repository(registry: try row.decode("registry"), name: try row.decode("name"))
        guard let id = try row.decode("target_id", as: Int64?.self) else {
            return .tag(try row.decode("tag"), in: repository, actor: try row.decode("actor"))
        }
        let target = Target(
            id: id, repositoryID: try row.decode("repository_id"), repository: repository,
            digest: try Digest(try row.decode("digest", as: String.self)),
            purpose: Purpose(rawValue: try row.decode("purpose")), generation: try row.decode("generation"))
        let isSigned = try row.decode("state", as: String.self) == TargetState.signed.rawValue
        return .target(target, isRecheck: looksBack && isSigned)
    }
}
