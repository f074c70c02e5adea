import FailPoints
import OCI
import Postgres

/// Members on their way into the queue, and back out of it.
extension BatchFeeder {
    struct Pending: Sendable {
        let ordinal: Int32
        let repository: Repository
        let digest: Digest

        init(_ row: Row) throws {
            ordinal = try row.decode("ordinal")
            repository = try Repository(registry: try row.decode("registry"), name: try row.decode("repository"))
            digest = try Digest(try row.decode("digest", as: String.self))
        }

        var key: Key { Key(repository: repository, digest: digest) }
    }

    struct Key: Hashable {
        let repository: Repository
        let digest: Digest
    }

    /// What a member became.
    private enum Became {
        case target(Int64, isNew: Bool)
        case ended(TargetState, Failure)

        var targetID: Int64? { if case .target(let id, _) = self { id } else { nil } }
    }

    /// Brings the next members into the queue: their targets, their jobs and the members themselves in one transaction.
    /// Those of one digest share a target, also when an earlier step made it.
    /// - Returns: how many members were looked at.
    func enqueue(membersOf batch: Batch) async throws(QueueError) -> Int {
        let plan = plan
        try FailPoint.batchStep.before(QueueError.injected)
        let entered: Int = try await pool.together { session in
            let locked = try session.query(
                """
                SELECT id FROM countersign.batch WHERE id = \(batch.id) AND state = 'running'
                FOR UPDATE SKIP LOCKED
                """)
            guard !locked.isEmpty else { return 0 }
            let pending = try next(of: batch, session)
            guard !pending.isEmpty else { return 0 }
            var became = try Self.targets(of: pending, in: batch, session)
            var makers: [Pending] = []
            var seen = Set<Key>()
            for member in pending where became[member.key] == nil && seen.insert(member.key).inserted {
                if let failure = plan.refusal(member.repository, formats: batch.formats) {
                    became[member.key] = .ended(.refused, failure)
                } else {
                    makers.append(member)
                }
            }
            became.merge(try Self.targets(madeFor: makers, batch, plan.policy, session)) { first, _ in first }
            try Self.write(pending, became, makers: Set(makers.map(\.ordinal)), batch, session)
            try Self.pace(makers, of: batch, session)
            if batch.grouping != nil {
                let grouped = makers.filter { plan.policy.signsBundlesOnly($0.repository) }
                try JobQueue.group(
                    jobsOf: grouped.compactMap { became[$0.key]?.targetID }, under: Batch.deliveryKey(batch.id),
                    in: session)
            }
            return pending.count
        }
        if entered > 0 {
            try FailPoint.batchStep.after(QueueError.injected)
            notifier.jobsAreDue()
        }
        return entered
    }

    /// Targets that earlier members of the batch brought in: a digest is asked for once, however many tags it has.
    private static func targets(
        of pending: [Pending], in batch: Batch, _ session: Session
    ) throws -> [Key: Became] {
        let rows = try session.query(
            """
            SELECT m.registry, m.repository, m.digest, min(m.target_id) AS target_id
            FROM countersign.batch_member m
            WHERE m.batch_id = \(batch.id) AND m.target_id IS NOT NULL
                AND m.digest = ANY(\(pending.map(\.digest.description))::text[])
            GROUP BY 1, 2, 3
            """)
        var found: [Key: Became] = [:]
        for row in rows {
            let key = Key(
                repository: try Repository(registry: try row.decode("registry"), name: try row.decode("repository")),
                digest: try Digest(try row.decode("digest", as: String.self)))
            found[key] = .target(try row.decode("target_id"), isNew: false)
        }
        return found
    }

    private static func targets(
        madeFor makers: [Pending], _ batch: Batch, _ policy: SigningPolicy, _ session: Session
    ) throws -> [Key: Became] {
        var became: [Key: Became] = [:]
        var pushes = makers
        if case .resign(let old) = batch.action {
            pushes = []
            let opened = try JobQueue.openGenerations(
                makers.map {
                    .init(
                        repository: $0.repository, digest: $0.digest, rule: policy.ruleName(for: $0.repository),
                        policyVersion: policy.version)
                },
                .init(
                    reason: batch.reason ?? "", removesOlder: old == .remove, by: batch.requestedBy, batch: batch.id),
                in: session)
            for (member, opened) in zip(makers, opened) {
                switch opened {
                case .opened(let id): became[member.key] = .target(id, isNew: true)
                case .joined(let id): became[member.key] = .target(id, isNew: false)
                case .revoked: became[member.key] = .ended(.revoked, BatchPlan.revoked)
                case .unknown: became[member.key] = .ended(.refused, BatchPlan.neverSigned)
                case .ended: pushes.append(member)
                }
            }
        }
        for start in stride(from: 0, to: pushes.count, by: stepLimit) {
            let some = Array(pushes[start..<min(start + stepLimit, pushes.count)])
            let items = try JobQueue.store(
                some.map { member in
                    EnqueueRequest(
                        source: "batch", registry: member.repository.registry, repository: member.repository.name,
                        digest: member.digest, lane: .bulk,
                        verdict: .accepted(
                            rule: policy.ruleName(for: member.repository), policyVersion: policy.version),
                        delivery: nil, deliveryKey: Batch.deliveryKey(batch.id))
                }, in: session)
            for (member, item) in zip(some, items) {
                guard let id = item.targetID else { continue }
                became[member.key] =
                    item.isRevoked
                    ? .ended(.revoked, BatchPlan.revoked) : .target(id, isNew: item.verdict == .accepted)
            }
        }
        return became
    }

    private static func write(
        _ pending: [Pending], _ became: [Key: Became], makers: Set<Int32>, _ batch: Batch, _ session: Session
    ) throws {
        var (targets, isNew, results, errors): ([Int64?], [Bool], [String?], [String?]) = ([], [], [], [])
        for member in pending {
            switch became[member.key] {
            case .target(let id, let new):
                targets.append(id)
                isNew.append(new && makers.contains(member.ordinal))
                results.append(nil)
                errors.append(nil)
            case .ended(let state, let failure):
                targets.append(nil)
                isNew.append(false)
                results.append(state.rawValue)
                errors.append(try failure.json())
            case nil:
                throw QueueError.unreadable(table: "batch_member", what: "member \(member.ordinal), without a target")
            }
        }
        _ = try session.execute(
            """
            UPDATE countersign.batch_member m
            SET target_id = w.target_id, is_new = w.is_new, result = w.result, error = w.error::jsonb,
                ended_at = CASE WHEN w.result IS NOT NULL THEN now() END
            FROM unnest(\(pending.map(\.ordinal))::int[], \(targets)::bigint[], \(isNew)::bool[], \(results)::text[],
                \(errors)::text[]) AS w(ordinal, target_id, is_new, result, error)
            WHERE m.batch_id = \(batch.id) AND m.ordinal = w.ordinal
            """)
    }

    /// Takes back what a cancelled batch had put into the queue and nobody else wants: jobs that wait in the bulk lane,
    /// under the batch's own name (a push would have put its own there), of targets of which nothing was signed yet. What
    /// a worker holds, and what is prepared for a log already, ends by itself.
    ///
    /// The batch's row is held, and its state read under that lock: one that was resumed since it was looked at keeps all
    /// that it has in the queue.
    /// - Returns: how many members were taken back.
    func takeBack(from batch: Batch) async throws(QueueError) -> Int {
        try await pool.together { session in
            let locked = try session.query(
                """
                SELECT id FROM countersign.batch WHERE id = \(batch.id) AND state = 'cancelled'
                FOR UPDATE SKIP LOCKED
                """)
            guard !locked.isEmpty else { return 0 }
            let pending = try session.execute(
                """
                UPDATE countersign.batch_member SET result = 'cancelled', ended_at = now()
                WHERE batch_id = \(batch.id) AND target_id IS NULL AND result IS NULL
                """)
            let jobs: [Int64] = try session.query(
                """
                SELECT j.id FROM countersign.job j
                WHERE j.target_id = ANY(ARRAY(
                        SELECT target_id FROM countersign.batch_member
                        WHERE batch_id = \(batch.id) AND target_id IS NOT NULL AND result IS NULL))
                    AND NOT j.leased AND j.kind = \(JobKind.sign.rawValue)::text
                    AND j.lane = \(Lane.bulk.rawValue)::smallint
                    AND j.delivery_key = \(Batch.deliveryKey(batch.id))
                    AND NOT EXISTS (SELECT FROM countersign.batch_member other
                        WHERE other.target_id = j.target_id AND other.batch_id <> \(batch.id) AND other.result IS NULL)
                    AND NOT EXISTS (SELECT FROM countersign.evidence_target e WHERE e.target_id = j.target_id AND e.live
                        AND NOT EXISTS (SELECT FROM countersign.attachment a
                            WHERE a.evidence_id = e.evidence_id AND a.pushed_at IS NOT NULL))
                ORDER BY j.id LIMIT \(Int64(Self.stepLimit)) FOR UPDATE OF j SKIP LOCKED
                """
            ).map { try $0.decode("id") }
            guard !jobs.isEmpty else { return min(pending, Self.stepLimit - 1) }
            // a generation of which nothing exists never was: the one before is the newest again
            _ = try session.execute(
                """
                WITH dropped AS (
                    DELETE FROM countersign.job WHERE id = ANY(\(jobs)::bigint[]) RETURNING target_id),
                told AS (
                    UPDATE countersign.batch_member m
                    SET result = CASE WHEN t.state = 'signed' THEN 'signed' ELSE 'cancelled' END, ended_at = now()
                    FROM countersign.target t
                    WHERE m.batch_id = \(batch.id) AND m.result IS NULL AND t.id = m.target_id
                        AND m.target_id = ANY(ARRAY(SELECT target_id FROM dropped))
                    RETURNING 1)
                UPDATE countersign.target SET state = 'cancelled', updated_at = now()
                WHERE id = ANY(ARRAY(SELECT target_id FROM dropped)) AND state IN ('queued', 'waiting')
                    AND (SELECT count(*) FROM told) >= 0
                """)
            try Self.forgetGenerations(of: batch, session)
            return jobs.count
        }
    }

    /// Generations that this batch opened and that were cancelled before anything was signed for them.
    private static func forgetGenerations(of batch: Batch, _ session: Session) throws {
        guard case .resign = batch.action else { return }
        let unused: [Int64] = try session.query(
            """
            SELECT g.target_id FROM countersign.batch_member m
            JOIN countersign.target_generation g ON g.target_id = m.target_id AND g.batch_id = m.batch_id
            JOIN countersign.target t ON t.id = g.target_id
            WHERE m.batch_id = \(batch.id) AND m.is_new AND m.result = 'cancelled' AND t.state = 'cancelled'
                AND NOT EXISTS (SELECT FROM countersign.evidence_target e WHERE e.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = t.id)
                AND NOT EXISTS (SELECT FROM countersign.batch_member other
                    WHERE other.target_id = t.id AND other.batch_id <> \(batch.id))
            ORDER BY g.target_id
            """
        ).map { try $0.decode("target_id") }
        guard !unused.isEmpty else { return }
        _ = try session.execute(
            """
            UPDATE countersign.batch_member SET target_id = NULL, is_new = false
            WHERE batch_id = \(batch.id) AND target_id = ANY(\(unused)::bigint[])
            """)
        _ = try session.execute("DELETE FROM countersign.target_generation WHERE target_id = ANY(\(unused)::bigint[])")
        _ = try session.execute("DELETE FROM countersign.target WHERE id = ANY(\(unused)::bigint[])")
    }
}

extension SigningPolicy {
    /// The rule that signs in a repository; its name is stored with the target until the job asks again.
    fileprivate func ruleName(for repository: Repository) -> String {
        if case .sign(let rule) = decide(repository, tagged: nil) { rule.name } else { "-" }
    }

    /// Whether a group's statement can be all that is signed of an artifact there: the older format has none.
    fileprivate func signsBundlesOnly(_ repository: Repository) -> Bool {
        if case .sign(let rule) = decide(repository, tagged: nil) { rule.formats == [.bundle] } else { false }
    }
}
