package import Logging
import OCI
import Postgres
import ServiceLifecycle
import Synchronization

/// Carries batches on, in every daemon: members enter the queue, tags are asked for, results are written down, what was
/// cancelled is taken back. Each step is bounded and one transaction, or nothing at all; whoever dies between two of them
/// leaves the rest to the next.
///
/// Two daemons do not disturb each other: a step holds its batch's row, and the other one passes it over.
package struct BatchFeeder: Service {
    let pool: ConnectionPool
    let plan: BatchPlan
    /// Whose statements are kept apart.
    let tenants: Tenants
    let registries: Registries?
    let retry: RetryPolicy
    let notifier: JobNotifier
    let logger: Logger
    private let poll: Duration
    private let rotation = Rotation()

    /// The most members that one transaction brings into the queue or takes back.
    package static let stepLimit = 200
    /// The most batches that are looked at in one round.
    static let batchLimit = 50
    /// Tags that are asked for at once, for each batch.
    static let questionLimit = 16

    /// - Parameter registries: asked where tags point.
    package init(
        queue: JobQueue, policy: SigningPolicy, registries: Registries?, configured: Set<String>, retry: RetryPolicy,
        poll: Duration = .milliseconds(500), logger: Logger
    ) {
        pool = queue.pool
        notifier = queue.notifier
        tenants = queue.tenants
        plan = BatchPlan(policy: policy, registries: configured, pool: queue.pool)
        self.registries = registries
        self.retry = retry
        self.poll = poll
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let isBusy = await stepOrReport()
                if !isBusy { try? await Task.sleep(for: poll * Double.random(in: 0.8..<1.2)) }
            }
        }
    }

    private func stepOrReport() async -> Bool {
        do {
            return try await step()
        } catch {
            logger.error("batches stand still", metadata: ["error.code": "\(error.code)", "error": "\(error)"])
            return false
        }
    }

    /// One bounded step for each open batch.
    /// - Returns: whether there is more to do at once.
    package func step() async throws(QueueError) -> Bool {
        var isBusy = false
        for batch in try await open() {
            do {
                if try await step(batch) { isBusy = true }
                if batch.error != nil { try await note(nil, on: batch) }
            } catch {
                // one that cannot be carried on says so, and holds up none of the others
                logger.error(
                    "a batch stands still",
                    metadata: ["batch.id": "\(batch.id)", "error.code": "\(error.code)", "error": "\(error)"])
                try await note(error, on: batch)
            }
        }
        return isBusy
    }

    /// Open batches, some of them at a time and in turn, so that none waits for the end of others. One whose last step
    /// failed has a pause.
    private func open() async throws(QueueError) -> [Batch] {
        let after = rotation.last
        let open = try await pool.rows(
            """
            SELECT \(unescaped: BatchRecords.columns) FROM countersign.batch
            WHERE ended_at IS NULL AND state <> 'proposed' AND id > \(after) AND (failed_at IS NULL OR failed_at < now() - interval '5 seconds')
            ORDER BY id LIMIT \(Int64(Self.batchLimit))
            """
        ).values(Batch.init)
        rotation.last = open.count < Self.batchLimit ? 0 : open.last?.id ?? 0
        return open
    }

    private func step(_ batch: Batch) async throws(QueueError) -> Bool {
        var isBusy = false
        switch batch.state {
        case .running:
            let asked = try await askForTags(of: batch)
            let entered = try await enqueue(membersOf: batch)
            // a group that entered may be followed by another one, however small
            isBusy = asked == Self.questionLimit || entered >= (batch.grouping == nil ? Self.stepLimit : 1)
        case .cancelled: isBusy = try await takeBack(from: batch) == Self.stepLimit
        case .proposed, .done: return false
        }
        try await settle(batch)
        return isBusy
    }

    /// Writes on the batch why its step failed, or that it no longer does.
    private func note(_ error: QueueError?, on batch: Batch) async throws(QueueError) {
        let failure = error.map {
            Failure(
                code: $0.code, stage: "batch", observed: "\($0)",
                fix: "nothing, if it passes: the step is taken again; else cancel the batch and report this")
        }
        try await pool.together { session in
            _ = try session.execute(
                """
                UPDATE countersign.batch
                SET error = \(try failure?.json())::jsonb, failed_at = CASE WHEN \(failure != nil) THEN now() END
                WHERE id = \(batch.id)
                """)
        }
    }

    /// Writes down the results of members whose targets have ended, and the end of the batch.
    private func settle(_ batch: Batch) async throws(QueueError) {
        // a rule that changed since may have lost a format: signed in the others is not what was asked for
        let lacks = SignatureFormat.lacks("\(batch.formats?.map(\.rawValue))::text[]")
        let ended: Bool = try await pool.together { session in
            _ = try session.execute(
                """
                UPDATE countersign.batch_member m
                -- one that is signed and was found broken is no success
                SET result = CASE WHEN t.state <> 'signed' THEN t.state WHEN \(SignatureAlarm.isRaised) THEN 'failed'
                        WHEN \(lacks) THEN 'refused' ELSE 'signed' END,
                    error = CASE WHEN t.state <> 'signed' OR \(SignatureAlarm.isRaised) THEN t.last_error
                        WHEN \(lacks) THEN coalesce(t.last_error, \(try BatchPlan.lacking.json())::jsonb) END,
                    ended_at = now()
                FROM countersign.target t
                WHERE m.batch_id = \(batch.id) AND m.target_id IS NOT NULL AND m.result IS NULL AND t.id = m.target_id
                    AND t.state IN ('signed', 'failed', 'refused', 'gone', 'cancelled', 'revoked')
                    AND (t.state = 'revoked' OR NOT EXISTS (SELECT FROM countersign.job j WHERE j.target_id = t.id))
                """)
            // the lock first: the snapshot of the next statement then knows of a batch that was just resumed
            let locked = try session.query(
                "SELECT id FROM countersign.batch WHERE id = \(batch.id) AND ended_at IS NULL FOR UPDATE SKIP LOCKED")
            guard !locked.isEmpty else { return false }
            return try session.execute(
                """
                UPDATE countersign.batch
                SET ended_at = now(), state = CASE WHEN state = 'running' THEN 'done' ELSE state END
                WHERE id = \(batch.id) AND NOT EXISTS (SELECT FROM countersign.batch_member
                    WHERE batch_id = \(batch.id) AND result IS NULL)
                """) == 1
        }
        if ended { logger.notice("batch ended", metadata: ["batch.id": "\(batch.id)", "members": "\(batch.members)"]) }
    }
}

/// Where the next round begins, in this daemon: after the batch of this id.
private final class Rotation: Sendable {
    private let position = Mutex<Int64>(0)

    var last: Int64 {
        get { position.withLock { $0 } }
        set { position.withLock { $0 = newValue } }
    }
}
