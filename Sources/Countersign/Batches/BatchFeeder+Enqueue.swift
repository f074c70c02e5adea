import FailPoints
import OCI
import Postgres

/// Members on their way into the queue.
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
            try write(pending, became, makers: Set(makers.map(\.ordinal)), batch, session)
            try Self.pace(makers, of: batch, session)
            if batch.grouping != nil {
                let grouped = makers.filter { plan.alone($0.repository, formats: batch.formats) == nil }
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
                        policyVersion: policy.version, formats: policy.formats(for: $0.repository))
                },
                .init(
                    reason: batch.reason ?? "", removesOlder: old == .remove, by: batch.requestedBy, batch: batch.id,
                    formats: batch.formats.map(Set.init)), in: session)
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
        guard !pushes.isEmpty else { return became }
        // all at once, however many a group has: a second call would take its locks out of the order of a push
        let items = try JobQueue.store(
            pushes.map { member in
                var request = EnqueueRequest(
                    source: "batch", registry: member.repository.registry, repository: member.repository.name,
                    digest: member.digest, lane: .bulk,
                    verdict: .accepted(
                        rule: policy.ruleName(for: member.repository), policyVersion: policy.version),
                    delivery: nil, deliveryKey: Batch.deliveryKey(batch.id))
                request.formats = batch.formats.map(Set.init)
                return request
            }, in: session)
        for (member, item) in zip(pushes, items) {
            guard let id = item.targetID else { continue }
            became[member.key] =
                item.isRevoked ? .ended(.revoked, BatchPlan.revoked) : .target(id, isNew: item.verdict == .accepted)
        }
        return became
    }

    private func write(
        _ pending: [Pending], _ became: [Key: Became], makers: Set<Int32>, _ batch: Batch, _ session: Session
    ) throws {
        var (targets, isNew, results, errors): ([Int64?], [Bool], [String?], [String?]) = ([], [], [], [])
        var alone: [String?] = []
        for member in pending {
            switch became[member.key] {
            case .target(let id, let new):
                targets.append(id)
                isNew.append(new && makers.contains(member.ordinal))
                results.append(nil)
                errors.append(nil)
                let reason = batch.grouping.flatMap { _ in plan.alone(member.repository, formats: batch.formats) }
                alone.append(try reason?.json())
            case .ended(let state, let failure):
                targets.append(nil)
                isNew.append(false)
                results.append(state.rawValue)
                errors.append(try failure.json())
                alone.append(nil)
            case nil:
                throw QueueError.unreadable(table: "batch_member", what: "member \(member.ordinal), without a target")
            }
        }
        _ = try session.execute(
            """
            UPDATE countersign.batch_member m
            SET target_id = w.target_id, is_new = w.is_new, result = w.result, error = w.error::jsonb,
                alone = w.alone::jsonb, ended_at = CASE WHEN w.result IS NOT NULL THEN now() END
            FROM unnest(\(pending.map(\.ordinal))::int[], \(targets)::bigint[], \(isNew)::bool[], \(results)::text[],
                \(errors)::text[], \(alone)::text[]) AS w(ordinal, target_id, is_new, result, error, alone)
            WHERE m.batch_id = \(batch.id) AND m.ordinal = w.ordinal
            """)
    }
}

extension SigningPolicy {
    /// The rule that signs in a repository; its name is stored with the target until the job asks again.
    fileprivate func ruleName(for repository: Repository) -> String {
        if case .sign(let rule) = decide(repository, tagged: nil) { rule.name } else { "-" }
    }

    /// Its formats.
    fileprivate func formats(for repository: Repository) -> Set<SignatureFormat> {
        if case .sign(let rule) = decide(repository, tagged: nil) { Set(rule.formats) } else { [] }
    }
}
