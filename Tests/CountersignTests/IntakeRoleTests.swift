import Logging
import OCI
import Postgres
import Testing

@testable import Countersign

/// Whoever takes the webhooks' role over can push; of what others pushed he changes what a push changes (migration 30).
@Suite struct IntakeRoleTests {
    private func queue(_ pool: ConnectionPool) -> JobQueue {
        let notifier = JobNotifier(signal: JobSignal(), pool: nil, logger: Logger(label: "test"))
        return JobQueue(pool: pool, notifier: notifier, settings: .init())
    }

    /// A digest and a tag that were given up.
    private func failed() async throws -> QueueFixture {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("failed")), samplePush(nil, tag: "failed"))
        for claim in try await fixture.claim() { _ = try await fixture.queue.settle(claim, as: .failed(sampleFailure)) }
        #expect(try await letters(fixture) == 2)
        return fixture
    }

    private func letters(_ fixture: QueueFixture) async throws -> Int {
        try await fixture.number("SELECT count(*) FROM countersign.dead_letter")
    }

    @Test func `the intake keeps back, cancels and hides nothing that was pushed`() async throws {
        let fixture = try await failed()
        try await fixture.push(samplePush(sampleDigest("signed")))
        _ = try await fixture.queue.settle(fixture.claimOne(), as: .signed(sampleRecord()))
        try await fixture.push(samplePush(sampleDigest("held")))
        _ = try await fixture.claimOne()
        try await fixture.push(samplePush(sampleDigest("held")), samplePush(sampleDigest("queued")))
        let (_, pool) = try await fixture.role(.intake)
        for sql in [
            "UPDATE countersign.job SET run_at = now() + interval '100 years'",
            "UPDATE countersign.job SET run_at = now() - interval '1 day' WHERE NOT leased",
            "UPDATE countersign.job SET cancel_requested = true WHERE leased",
            "UPDATE countersign.job SET pushed_again = false WHERE leased",
            "UPDATE countersign.job SET lane = 2", "UPDATE countersign.job SET depth = 9",
            "UPDATE countersign.job SET delivery_key = 'batch 1'",
            """
            INSERT INTO countersign.job (kind, target_id, repository_id)
            SELECT 'later', id, repository_id FROM countersign.target WHERE state = 'signed'
            """,
            """
            INSERT INTO countersign.job (kind, target_id, repository_id, run_at)
            SELECT 'sign', id, repository_id, now() + interval '100 years' FROM countersign.target WHERE state = 'signed'
            """,
            """
            INSERT INTO countersign.job (kind, target_id, repository_id, delivery_key)
            SELECT 'sign', id, repository_id, 'batch 1' FROM countersign.target WHERE state = 'signed'
            """,
            "DELETE FROM countersign.dead_letter WHERE target_id IS NOT NULL",
            "DELETE FROM countersign.dead_letter WHERE target_id IS NULL",
            "UPDATE countersign.target SET state = 'queued', last_error = NULL WHERE state = 'failed'",
            "UPDATE countersign.target SET last_error = NULL WHERE state = 'failed'",
            "UPDATE countersign.target SET rule = 'x' WHERE state = 'signed'",
            "UPDATE countersign.target SET policy_version = 'x' WHERE state = 'signed'",
            "UPDATE countersign.target SET pushes = 2147483647",
            "UPDATE countersign.target SET pushed_at = 'infinity'",
            "UPDATE countersign.target SET updated_at = now() + interval '1 day'",
        ] { #expect(try await isDenied(pool, sql), "\(sql)") }
        #expect(try await fixture.contradictions() == 0)
        await pool.close()
    }

    @Test func `a push of the intake does all that a push does`() async throws {
        let fixture = try await failed()
        try await fixture.push(samplePush(sampleDigest("revoked")), samplePush(nil, tag: "resolved"))
        for claim in try await fixture.claim() { _ = try await fixture.queue.settle(claim, as: .failed(sampleFailure)) }
        try await fixture.push(samplePush(sampleDigest("held"), lane: .bulk))
        _ = try await fixture.claimOne()
        try await fixture.push(samplePush(sampleDigest("later"), lane: .bulk, key: Batch.deliveryKey(1)))
        let statements: [Query] = [
            "UPDATE countersign.target SET state = 'revoked' WHERE digest = \(sampleDigest("revoked").description)::text",
            "UPDATE countersign.job SET run_at = now() + interval '1 hour', depth = 1 WHERE NOT leased",
            "UPDATE countersign.job SET cancel_requested = true WHERE leased",
        ]
        for statement in statements { try await fixture.pool.execute(statement) }
        let (_, pool) = try await fixture.role(.intake)
        _ = try await queue(pool).enqueue([
            samplePush(sampleDigest("failed")), samplePush(sampleDigest("revoked")), samplePush(sampleDigest("held")),
            samplePush(sampleDigest("later")), samplePush(nil, tag: "failed"),
            samplePush(sampleDigest("failed"), tag: "resolved"),
        ])
        #expect(try await letters(fixture) == 0)
        #expect(try await fixture.state(sampleDigest("failed")) == "queued")
        #expect(try await fixture.state(sampleDigest("revoked")) == "revoked")
        #expect(try await fixture.number("SELECT count(*) FROM countersign.job WHERE pushed_again") == 1)
        #expect(
            try await fixture.number(
                """
                SELECT count(*) FROM countersign.job
                WHERE run_at > now() OR cancel_requested OR lane > 0 OR depth > 0 OR delivery_key LIKE 'batch %'
                """) == 0)
        #expect(try await fixture.contradictions() == 0)
        await pool.close()
    }
}
