import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

extension QueueFixture {
    /// A daemon's upkeep of these tables.
    func maintenance(
        keeping configuration: RetentionConfiguration = .init(), limit: Int = 500, metrics: MetricsRegistry = .init(),
        queue other: JobQueue? = nil
    ) -> Maintenance {
        var settings = Maintenance.Settings()
        settings.pause = .zero
        return Maintenance(
            queue: other ?? queue, retention: Retention(pool: pool, configuration: configuration, limit: limit),
            metrics: MaintenanceMetrics(metrics), settings: settings, logger: SigningDaemon.silence)
    }
}

/// Bundles of deleted images too, which are kept for ever unless somebody says otherwise.
private let ninetyDays: RetentionConfiguration = {
    var retention = RetentionConfiguration()
    retention.deletedArtifacts = .seconds(90 * 86_400)
    return retention
}()

/// What is removed because it is older than it is kept, and what never is.
@Suite struct MaintenanceTests {
    private func bury(_ count: Int, daysAgo: Int32, _ fixture: QueueFixture, _ name: String) async throws {
        for number in 0..<count { try await fixture.push(samplePush(sampleDigest("\(name) \(number)"))) }
        for claim in try await fixture.claim() {
            _ = try await fixture.queue.settle(claim, as: .failed(sampleFailure))
            try await fixture.pool.execute(
                """
                UPDATE countersign.dead_letter SET buried_at = now() - \(daysAgo)::int * interval '1 day'
                WHERE job_id = \(claim.jobID)
                """)
        }
    }

    @Test func `events are kept for as long as the configuration says, and dropped by whole days`() async throws {
        let fixture = try await QueueFixture()
        for days in [3, 6, 20] as [Int32] {
            try await fixture.pool.execute(
                """
                INSERT INTO countersign.event (received_at, source, delivery_key, registry, repository, verdict, reason, body)
                VALUES (now() - \(days)::int * interval '1 day', 'demo', '\\x01', 'r', 'a', 'filtered', 'pull', '\\x')
                """)
        }
        try await fixture.queue.maintain()  // gives them partitions
        #expect(try await fixture.maintenance().removeOld()[.events] == 1)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 2)
        var configuration = RetentionConfiguration()
        configuration.events = .seconds(5 * 86_400)
        #expect(try await fixture.maintenance(keeping: configuration).removeOld()[.events] == 1)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.event") == 1)
    }

    /// DROP waits for the dump, and every push waits behind DROP.
    @Test func `a partition that a dump is reading holds pushes up for a moment, and nothing else from going`()
        async throws
    {
        let fixture = try await QueueFixture()
        try await fixture.pool.execute(
            """
            INSERT INTO countersign.event (received_at, source, delivery_key, registry, repository, verdict, reason, body)
            VALUES (now() - interval '20 days', 'demo', '\\x01', 'r', 'a', 'filtered', 'pull', '\\x')
            """)
        try await fixture.queue.maintain()  // gives it a partition
        try await bury(1, daysAgo: 91, fixture, "old")
        let hold = TransactionHold()
        let dumping = ConnectionPool(fixture.configuration, size: 1)
        let dump = Task {
            try await dumping.transaction { session in
                _ = try session.execute("LOCK TABLE countersign.event IN ACCESS SHARE MODE")
                try hold.wait(in: session)
            }
        }
        try await eventually("the dump reads") { hold.isReached }
        await #expect(throws: QueueError.self) { try await fixture.maintenance().removeOld() }
        #expect(try await fixture.records.deadLetters().items.isEmpty)
        let patience = try await fixture.pool.query(
            """
            SELECT option FROM pg_proc, unnest(proconfig) AS option
            WHERE proname = 'own_drop_event_partitions' AND option LIKE 'lock_timeout=%'
            """
        ).map { try $0.decode("option", as: String.self) }
        #expect(patience == ["lock_timeout=150ms"], "how long a push waits behind it")
        hold.release()
        try await dump.value
        #expect(try await fixture.maintenance().removeOld()[.events] == 1)
        await dumping.close()
    }

    @Test func `dead letters go in pieces, and their targets stay failed`() async throws {
        let fixture = try await QueueFixture()
        try await bury(7, daysAgo: 91, fixture, "old")
        try await bury(2, daysAgo: 89, fixture, "new")
        let metrics = MetricsRegistry()
        #expect(try await fixture.maintenance(limit: 3, metrics: metrics).removeOld()[.deadLetters] == 7)
        #expect(try await fixture.records.deadLetters().items.count == 2)
        #expect(try await fixture.state(sampleDigest("old 0")) == "failed")
        #expect(metrics.render().contains(#"countersign_retention_removed_total{kind="dead_letters"} 7"#))
    }

    @Test func `a daemon that dies between two pieces leaves the rest to the next, after its turn`() async throws {
        let fixture = try await QueueFixture()
        try await bury(5, daysAgo: 91, fixture, "old")
        // the first took its turn and removed a piece
        let first = Turns(pool: fixture.pool, holder: fixture.queue.worker)
        #expect(try await first.take(Maintenance.turn))
        var place = Retention.Place()
        let piece = try await Retention(pool: fixture.pool, configuration: .init(), limit: 2)
            .piece(of: .deadLetters, after: &place)
        #expect(piece == Retention.Piece(removed: 2, isLast: false))

        let second = fixture.maintenance(queue: fixture.anotherQueue())
        #expect(try await second.removeOld().isEmpty, "it is not its turn")
        try await fixture.pool.execute("UPDATE countersign.turn SET expires_at = now() - interval '1 second'")
        #expect(try await second.removeOld()[.deadLetters] == 3)
    }

    @Test func `batches go with their members, members first`() async throws {
        let fixture = try await QueueFixture()
        for (days, state) in [(91, "done"), (89, "done")] as [(Int32, String)] {
            try await fixture.pool.execute(
                """
                WITH made AS (
                    INSERT INTO countersign.batch (action, state, token_name, idempotency_key, request_sha256, members, ended_at)
                    VALUES ('sign', \(state)::text, 't', \("\(days)")::text, sha256('x'), 5,
                        now() - \(days)::int * interval '1 day')
                    RETURNING id)
                INSERT INTO countersign.batch_member (batch_id, ordinal, registry, repository, tag)
                SELECT id, n, 'r', 'a', 'v' || n FROM made, generate_series(0, 4) AS n
                """)
        }
        #expect(try await fixture.maintenance(limit: 2).removeOld()[.batches] == 6)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.batch") == 1)
        #expect(try await fixture.number("SELECT count(*) FROM countersign.batch_member") == 5)
    }

    @Test func `where a tag pointed before is removed only if that is configured, and never where it points`()
        async throws
    {
        let fixture = try await QueueFixture()
        for number in 1...3 { try await fixture.push(samplePush(sampleDigest(number), tag: "latest")) }
        try await fixture.push(samplePush(sampleDigest("other"), tag: "v1"))
        try await fixture.pool.execute("UPDATE countersign.tag_history SET seen_at = now() - interval '40 days'")
        let rows: Query = "SELECT count(*) FROM countersign.tag_history"
        _ = try await fixture.maintenance().removeOld()
        #expect(try await fixture.number(rows) == 4)
        var configuration = RetentionConfiguration()
        configuration.tagHistory = .seconds(30 * 86_400)
        #expect(try await fixture.maintenance(keeping: configuration, limit: 2).removeOld()[.tagHistory] == 2)
        #expect(
            try await fixture.text(
                "SELECT string_agg(tag || ' ' || digest, ' ' ORDER BY tag) FROM countersign.tag_history")
                == "latest \(sampleDigest(3)) v1 \(sampleDigest("other"))")
    }

    private func upkeep(_ pool: ConnectionPool) -> TableUpkeep { TableUpkeep(pool: pool, deadline: .seconds(60)) }

    @Test func `hot tables are vacuumed by their owner, and by workers where the server has a right for that`()
        async throws
    {
        let fixture = try await QueueFixture()
        try await fixture.push(samplePush(sampleDigest("app")))
        #expect(try await upkeep(fixture.pool).vacuum() == ["job", "outbox"])
        let mayBeGranted = try await fixture.number("SELECT current_setting('server_version_num')::int8") >= 170_000
        for kind in DatabaseRoles.Kind.allCases {
            let (_, pool) = try await fixture.role(kind)
            let isWorker = kind == .work && mayBeGranted
            #expect(try await upkeep(pool).vacuum() == (isWorker ? ["job", "outbox"] : []), "\(kind)")
            #expect(try await upkeep(pool).dropLeftovers().isEmpty)
            await pool.close()
        }
    }

    @Test func `indexes of the hot tables are built anew, and what a broken rebuild left goes`() async throws {
        let fixture = try await QueueFixture()
        for name in ["one", "two"] { try await fixture.push(samplePush(sampleDigest(name))) }
        // the two jobs are of one kind
        await #expect(throws: PostgresError.self) {
            try await fixture.pool.execute(
                "CREATE UNIQUE INDEX CONCURRENTLY job_claim_ccnew1 ON countersign.job (kind)")
        }
        let file: Query = "SELECT pg_relation_filenode('countersign.job_claim')::int8"
        let before = try await fixture.number(file)
        let upkeep = upkeep(fixture.pool)
        #expect(try await upkeep.dropLeftovers() == ["job_claim_ccnew1"])
        #expect(try await upkeep.rebuildIndexes() == ["job", "outbox"])
        #expect(try await fixture.number(file) != before)
        #expect(try await upkeep.dropLeftovers().isEmpty)
        #expect(try await fixture.claim().count == 2)
    }

    @Test func `how large the indexes of claims are is a figure`() async throws {
        let fixture = try await QueueFixture()
        let registry = MetricsRegistry()
        let metrics = MaintenanceMetrics(registry)
        metrics.collect(from: fixture.pool)
        _ = await registry.scrape()
        for index in ["job_claim", "job_claim_ungrouped"] {
            #expect(metrics.indexSize.value(index) >= 8_192, "\(index)")
        }
    }

    @Test func `the work role removes what is old`() async throws {
        let fixture = try await QueueFixture()
        try await bury(2, daysAgo: 91, fixture, "old")
        let (_, pool) = try await fixture.role(.work)
        let notifier = JobNotifier(signal: JobSignal(), pool: nil, logger: SigningDaemon.silence)
        let queue = JobQueue(pool: pool, notifier: notifier, settings: .init())
        let maintenance = Maintenance(
            queue: queue, retention: Retention(pool: pool, configuration: .init()),
            metrics: MaintenanceMetrics(MetricsRegistry()), logger: SigningDaemon.silence)
        #expect(try await maintenance.removeOld()[.deadLetters] == 2)
        await pool.close()
    }
}

/// What would put a signature back is kept while its image is there.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct DeletedArtifactTests {
    private func age(_ line: SigningLine, days: Int32) async throws {
        try await line.database.pool.execute(
            "UPDATE countersign.deleted_artifact SET gone_at = now() - \(days)::int * interval '1 day'")
    }

    private func stored(_ line: SigningLine) async throws -> Int {
        try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE bundle IS NOT NULL")
    }

    @Test func `the bundle of an image that is gone goes after its time, and one that comes back is signed`()
        async throws
    {
        let line = try await SigningLine()
        let (image, kept) = (try await line.image(), try await line.image(tag: "kept"))
        let digest = image.descriptor.digest
        for image in [image, kept] { try await line.push(image.descriptor.digest) }
        let daemon = try await line.daemon()
        try await daemon.workOff()
        // the image is deleted, the next look notices
        try await line.delete(digest)
        try await line.push(digest)
        try await daemon.workOff(atMost: 20)
        #expect(try await line.state(digest) == "gone")

        try await age(line, days: 89)
        #expect(try await line.database.maintenance(keeping: ninetyDays).removeOld()[.deletedArtifacts] == 0)
        #expect(try await stored(line) == 2)
        try await age(line, days: 91)
        #expect(try await line.database.maintenance(keeping: ninetyDays).removeOld()[.deletedArtifacts] == 1)
        #expect(try await stored(line) == 1)
        let acts = try await AuditLog(pool: line.database.pool).latest(10)
        #expect(acts.map(\.action) == ["retention.remove"] && acts.map(\.actor) == ["daemon"])
        #expect(
            acts.first?.detail
                == "deleted_artifacts: 1 targets; removed 1 manifests and what 1 signatures are restored from")
        // its entry in the log stays explained
        let signature = try await line.database.number(
            "SELECT count(*) FROM countersign.evidence WHERE octet_length(signature) > 0 AND log_index IS NOT NULL")
        #expect(signature == 2)
        let entries = try await LogEntryRecords(pool: line.database.pool).entries(.init()).items
        #expect(entries.count == 2)

        try await line.put(image)
        try await line.push(digest)
        try await daemon.workOff()
        // its signature was there still: it is adopted, beside what was put aside
        try await line.expectSignedOnce(digest, abandoned: 1)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.deleted_artifact") == 0)
    }

    @Test func `the document of an attestation goes with its bundle, and not before`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        let id = try await line.attest(sampleDocument("spdx-2.3.json"), "spdxjson", about: digest)
        try await daemon.workOff()
        try await line.delete(digest)
        try await line.recheckAll(with: daemon)
        try await daemon.workOff(atMost: 20)
        #expect(try await line.attestation(id).status.state == .gone)
        try await line.letDaysPass()
        #expect(try await line.attestation(id).document.id != nil)

        try await age(line, days: 91)
        #expect(try await line.database.maintenance(keeping: ninetyDays).removeOld()[.deletedArtifacts] == 2)
        try await line.letDaysPass()
        #expect(try await line.attestation(id).document.id == nil)
        try await line.put(image)
        try await line.push(digest)
        try await daemon.workOff()
        #expect(try await line.attestation(id).status.state == .gone, "there is nothing left to put back")
    }

    @Test func `documents that were broken off, or that nothing can need, go in pieces`() async throws {
        let line = try await SigningLine()
        let store = DocumentStore(pool: line.database.pool)
        for _ in 0..<4 {
            var spool = try await store.spool()
            try await spool.append(sampleVEX(9))
            _ = try await spool.close()
        }
        try await line.database.pool.execute("UPDATE countersign.document SET begun_at = now() - interval '2 hours'")
        let waiting = try await line.attest(sampleVEX(1), "openvex", about: sampleDigest("never pushed"))
        let refused = try await line.attest(sampleVEX(2), "openvex", about: sampleDigest("refused"))
        try await line.database.pool.execute(
            """
            UPDATE countersign.target SET state = 'refused', updated_at = now() - interval '2 days',
                last_error = '{"code": "a", "stage": "b", "observed": "c", "fix": "d"}'
            WHERE digest = \(sampleDigest("refused").description)
            """)
        // what was sent within the hour may still be on its way to an attestation
        #expect(try await line.database.maintenance(limit: 3).removeOld()[.documents] == 4)
        #expect(try await line.attestation(refused).document.id != nil)
        try await line.database.pool.execute("UPDATE countersign.document SET begun_at = now() - interval '2 hours'")
        #expect(try await line.database.maintenance(limit: 1).removeOld()[.documents] == 1)
        #expect(try await line.attestation(refused).document.id == nil)
        #expect(try await line.attestation(waiting).document.id != nil)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.document") == 1)
        #expect(
            try await line.database.number("SELECT count(DISTINCT document_id) FROM countersign.document_part") == 1)
    }

    @Test func `what is pushed again in time keeps its bundle`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        try await line.delete(digest)
        try await line.push(digest)
        try await daemon.workOff(atMost: 20)
        #expect(try await line.state(digest) == "gone")
        try await line.put(image)
        try await line.push(digest)
        try await age(line, days: 91)
        #expect(try await line.database.maintenance(keeping: ninetyDays).removeOld()[.deletedArtifacts] == 0)
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
    }
}
