import OCI
import Postgres

/// Members that name only a tag: the registry is asked where it points, once for each.
extension BatchFeeder {
    private struct Question: Sendable {
        let ordinal: Int32
        let repository: Repository
        let tag: String
        let failures: Int
    }

    private enum Answer: Sendable {
        case digest(Digest)
        case ended(TargetState, Failure)
        /// `counts`: whether it was asked, and failed.
        case later(Failure?, after: Duration, counts: Bool)
    }

    /// Asks for the next tags, several at once. Marked as asked for a minute: what a daemon that dies had asked is asked
    /// again by another.
    /// - Returns: how many were asked.
    func askForTags(of batch: Batch) async throws(QueueError) -> Int {
        let questions = try await pool.rows(
            """
            UPDATE countersign.batch_member SET due_at = now() + interval '1 minute'
            WHERE batch_id = \(batch.id) AND ordinal = ANY(ARRAY(
                SELECT m.ordinal FROM countersign.batch_member m
                WHERE m.batch_id = \(batch.id) AND m.target_id IS NULL AND m.result IS NULL AND m.digest IS NULL
                    AND m.due_at <= now()
                    AND EXISTS (SELECT FROM countersign.batch b WHERE b.id = m.batch_id AND b.state = 'running')
                ORDER BY m.ordinal LIMIT \(Int64(Self.questionLimit)) FOR UPDATE SKIP LOCKED))
            RETURNING ordinal, registry, repository, tag, failures
            """
        ).values { row in
            Question(
                ordinal: try row.decode("ordinal"),
                repository: try Repository(registry: try row.decode("registry"), name: try row.decode("repository")),
                tag: try row.decode("tag"), failures: Int(try row.decode("failures", as: Int32.self)))
        }
        guard !questions.isEmpty else { return 0 }
        let formats = batch.formats
        let answers = await withTaskGroup(of: (Question, Answer).self) { group in
            for question in questions { group.addTask { (question, await answer(question, formats: formats)) } }
            return await group.reduce(into: [(Question, Answer)]()) { $0.append($1) }
        }
        try await write(answers, batch)
        return questions.count
    }

    private func answer(_ question: Question, formats: [SignatureFormat]?) async -> Answer {
        if let failure = plan.refusal(question.repository, formats: formats) { return .ended(.refused, failure) }
        guard let registry = registries?[question.repository] else {
            return .ended(
                .refused,
                Failure(
                    code: Registries.unknownCode, stage: "resolve",
                    observed: "registry '\(question.repository.registry)' is not configured",
                    fix: "configure it, then retry-failed"))
        }
        do {
            let resolved = try await Lane.$ofAttempt.withValue(.bulk) {
                try await registry.resolve(question.repository.name, tag: question.tag)
            }
            return .digest(resolved.descriptor.digest)
        } catch {
            let failed = AttemptFailure(StageFailure(stage: .resolve, underlying: error))
            if case .withheld(let time) = failed.verdict { return .later(failed.failure, after: time, counts: false) }
            guard case .retry(let kind, let after) = failed.verdict else {
                if case .refuse = failed.verdict { return .ended(.refused, failed.failure) }
                return .later(nil, after: .zero, counts: false)  // this process is going away
            }
            switch retry.decision(
                for: kind, attempt: question.failures + 1, failures: question.failures, retryAfter: after,
                random: .random(in: 0..<1))
            {
            case .retry(let delay, _): return .later(failed.failure, after: delay, counts: true)
            case .exhausted: return .ended(kind == .eventual ? .gone : .failed, failed.failure)
            }
        }
    }

    private func write(_ answers: [(Question, Answer)], _ batch: Batch) async throws(QueueError) {
        var rows: [(ordinal: Int32, digest: String?, result: String?, error: Failure?, delay: Duration, failed: Bool)] =
            []
        for (question, answer) in answers {
            switch answer {
            case .digest(let digest): rows.append((question.ordinal, "\(digest)", nil, nil, .zero, false))
            case .ended(let state, let failure):
                rows.append((question.ordinal, nil, state.rawValue, failure, .zero, true))
            case .later(let failure, let delay, let counts):
                rows.append((question.ordinal, nil, nil, failure, delay, counts))
            }
        }
        let written = rows
        try await pool.together { session in
            _ = try session.execute(
                """
                UPDATE countersign.batch_member m
                SET digest = coalesce(m.digest, w.digest), result = w.result,
                    error = CASE WHEN w.digest IS NULL THEN w.error::jsonb END,
                    ended_at = CASE WHEN w.result IS NOT NULL THEN now() END, due_at = now() + w.delay,
                    failures = m.failures + CASE WHEN w.failed THEN 1 ELSE 0 END
                FROM unnest(\(written.map(\.ordinal))::int[], \(written.map(\.digest))::text[],
                    \(written.map(\.result))::text[], \(try written.map { try $0.error?.json() })::text[],
                    \(written.map(\.delay))::interval[], \(written.map(\.failed))::bool[])
                    AS w(ordinal, digest, result, error, delay, failed)
                WHERE m.batch_id = \(batch.id) AND m.ordinal = w.ordinal AND m.digest IS NULL AND m.result IS NULL
                """)
            // what the registry said is a line of the ledger; policy let these repositories in
            _ = try session.execute(
                """
                INSERT INTO countersign.repository (registry, name)
                SELECT DISTINCT m.registry, m.repository FROM countersign.batch_member m
                WHERE m.batch_id = \(batch.id) AND m.ordinal = ANY(\(written.map(\.ordinal))::int[])
                    AND m.digest IS NOT NULL AND NOT EXISTS (SELECT FROM countersign.repository r
                        WHERE r.registry = m.registry AND r.name = m.repository)
                ORDER BY 1, 2 ON CONFLICT DO NOTHING
                """)
            _ = try session.execute(
                """
                INSERT INTO countersign.tag_history (repository_id, tag, digest, source, actor)
                SELECT r.id, m.tag, m.digest, 'resolved', \(batch.requestedBy.recorded(255))::text
                FROM countersign.batch_member m
                JOIN countersign.repository r ON r.registry = m.registry AND r.name = m.repository
                LEFT JOIN LATERAL (
                    SELECT digest, seen_at FROM countersign.tag_history
                    WHERE repository_id = r.id AND tag = m.tag ORDER BY id DESC LIMIT 1) AS h ON true
                WHERE m.batch_id = \(batch.id) AND m.ordinal = ANY(\(written.map(\.ordinal))::int[])
                    AND m.digest IS NOT NULL AND h.digest IS DISTINCT FROM m.digest
                    AND (h.seen_at IS NULL OR h.seen_at < now() - interval '1 minute')
                """)
        }
    }
}
