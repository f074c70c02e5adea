import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

@Suite struct AuditChainTests {
    private func entry(_ number: Int) -> AuditLog.Entry {
        var entry = AuditLog.Entry(action: "artifact.sign", atCommandLineBy: "somebody")
        entry.repository = "registry.example.com/team/app"
        entry.subject = number % 2 == 0 ? nil : "v\(number)"
        entry.detail = "räksmörgås, 3:abc,"
        return entry
    }

    private func write(_ count: Int, _ database: QueueFixture) async throws {
        for number in 0..<count { try await AuditLog(pool: database.pool).append(entry(number)) }
    }

    /// As somebody with every right on the database would.
    private func tamper(_ database: QueueFixture, _ statement: Query) async throws(PostgresError) {
        _ = try await database.pool.execute("ALTER TABLE countersign.audit DISABLE TRIGGER USER")
        _ = try await database.pool.execute(statement)
        _ = try await database.pool.execute("ALTER TABLE countersign.audit ENABLE TRIGGER USER")
    }

    @Test func `what was written holds together, and the database hashes as we do`() async throws {
        let database = try await QueueFixture()
        try await write(5, database)
        let walk = try await AuditChain(pool: database.pool).walk(noting: [2])
        #expect(walk.entries == 5 && walk.fault == nil && walk.hashes.keys.sorted() == [2])
        let head = try await AuditAnchors(pool: database.pool).head()
        #expect(head?.position == 5 && head?.hash == walk.head)
    }

    @Test func `the hash is of the fields as they are documented`() {
        let fields = [
            "countersign.audit.v1", String(repeating: "0", count: 64), "1", "2026-11-28T12:00:00.000001Z", nil, "ä",
            nil,
        ]
        let text =
            "20:countersign.audit.v1,64:\(String(repeating: "0", count: 64)),1:1,27:2026-11-28T12:00:00.000001Z,-,2:ä,-,"
        #expect(AuditChain.hash(fields) == Hash.sha256(Array(text.utf8)))
    }

    @Test func `many writers at once make one chain`() async throws {
        let database = try await QueueFixture()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await write(10, database) } }
            try await group.waitForAll()
        }
        let walk = try await AuditChain(pool: database.pool).walk()
        #expect(walk.entries == 80 && walk.fault == nil)
    }

    @Test func `a writer that fails leaves no gap`() async throws {
        let database = try await QueueFixture()
        try await write(1, database)
        var bad = entry(0)
        bad.outcome = .refused  // without a code
        let refused = bad
        await #expect(throws: QueueError.self) { try await AuditLog(pool: database.pool).append(refused) }
        try await write(1, database)
        #expect(try await AuditChain(pool: database.pool).walk().entries == 2)
    }

    @Test(arguments: [
        ("UPDATE countersign.audit SET actor = 'somebody else' WHERE position = 3", 3),
        ("UPDATE countersign.audit SET at = at + interval '1 microsecond' WHERE position = 3", 3),
        ("UPDATE countersign.audit SET subject = '' WHERE position = 3", 3),
        ("DELETE FROM countersign.audit WHERE position = 3", 3),
        ("UPDATE countersign.audit SET actor = 'x', hash = sha256('x') WHERE position = 3", 3),
    ]) func `a row that was changed or removed is found`(statement: String, position: Int64) async throws {
        let database = try await QueueFixture()
        try await write(5, database)
        try await tamper(database, Query(stringLiteral: statement))
        let walk = try await AuditChain(pool: database.pool).walk()
        #expect(walk.fault?.position == position && walk.entries == position - 1)
    }

    @Test func `a row that was changed with a hash of its own no longer leads to the next`() async throws {
        let database = try await QueueFixture()
        try await write(5, database)
        try await tamper(
            database,
            """
            UPDATE countersign.audit a SET actor = 'x', hash = countersign.audit_hash(ROW(a.id, a.at, a.token_id, 'x',
                a.action, a.repository, a.subject, a.type, a.digest, a.outcome, a.code, a.detail, a.position,
                a.previous_hash, a.hash)::countersign.audit) WHERE position = 3
            """)
        let fault = try await AuditChain(pool: database.pool).walk().fault
        #expect(fault == AuditChain.Fault(position: 4, observed: "it does not follow the row before it"))
    }

    @Test func `two rows cannot follow the same one`() async throws {
        let database = try await QueueFixture()
        try await write(2, database)
        let error = await #expect(throws: PostgresError.self) {
            try await tamper(
                database,
                """
                INSERT INTO countersign.audit (actor, action, outcome, position, previous_hash, hash)
                SELECT actor, action, outcome, 9, previous_hash, sha256('x') FROM countersign.audit WHERE position = 2
                """)
        }
        #expect(error?.refusal == "23505 audit_one_successor")
    }
}

@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct AuditAnchorTests {
    func anchoring(
        _ line: SigningLine, _ daemon: SigningDaemon, interval: Duration = .zero,
        logger: Logger = SigningDaemon.silence
    ) -> AuditAnchoring {
        AuditAnchoring(
            anchors: AuditAnchors(pool: line.database.pool), signers: daemon.signers,
            turns: Turns(pool: line.database.pool, holder: UUID()), interval: interval, logger: logger)
    }

    func report(_ line: SigningLine, _ daemon: SigningDaemon) async throws -> AuditVerification.Report {
        try await AuditVerification(pool: line.database.pool).report(
            by: [try daemon.signer.identity.expected], daemon.signer.trust.verifier)
    }

    func write(_ line: SigningLine) async throws {
        try await AuditLog(pool: line.database.pool).append(
            AuditLog.Entry(action: "token.create", atCommandLineBy: "somebody"))
    }

    @Test func `the head is signed and logged once a day, and vouches for what is before it`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await anchoring(line, daemon).anchorIfDue()
        #expect(try await report(line, daemon).anchors == 0)  // nothing was written yet
        try await write(line)
        try await anchoring(line, daemon).anchorIfDue()
        try await write(line)
        try await anchoring(line, daemon, interval: .seconds(86_400)).anchorIfDue()  // not due
        var report = try await report(line, daemon)
        #expect(report.entries == 2 && report.anchors == 1 && report.anchoredPosition == 1 && report.faults.isEmpty)
        try await anchoring(line, daemon).anchorIfDue()
        try await anchoring(line, daemon).anchorIfDue()  // nothing new
        report = try await self.report(line, daemon)
        #expect(report.anchors == 2 && report.anchoredPosition == 2 && report.faults.isEmpty)
    }

    @Test func `an anchor whose answer was lost is found again by the same bytes`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        line.rekor.next(.answerLost) { $0.method == "POST" }
        await #expect(throws: (any Error).self) { try await anchoring(line, daemon).anchorIfDue() }
        #expect(try await report(line, daemon).anchors == 0)
        try await anchoring(line, daemon).anchorIfDue()
        #expect(try await report(line, daemon).anchors == 1)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence") == 1)
    }

    @Test func `nothing is signed for the audit log while the log is not to be had, and it goes on by itself`()
        async throws
    {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        setup.budgets = BudgetConfiguration()
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        line.rekor.next(.answered(429, headers: [("Retry-After", "600")]))
        try await daemon.attemptAll()
        #expect(try await line.failure(digest)?.code == "rekor.throttled")

        try await write(line)
        let asked = (line.fulcio.requests.count, line.rekor.requests.count)
        await #expect(throws: StageFailure.self) { try await anchoring(line, daemon).anchorIfDue() }
        #expect(try await line.database.number("SELECT count(*) FROM countersign.audit_anchor") == 0)
        #expect((line.fulcio.requests.count, line.rekor.requests.count) == asked)

        try await line.database.pool.execute(
            "UPDATE countersign.upstream SET paused_until = NULL, refilled_at = now(), slowed_rate = NULL, slowed_from = NULL, slowed_at = NULL"
        )
        let other = try await line.daemon(setup)
        try await anchoring(line, other).anchorIfDue()
        #expect(try await report(line, other).anchors == 1)
    }

    /// An anchor that the log never got, and whose certificate ended.
    private func overdue() async throws -> (line: SigningLine, daemon: SigningDaemon) {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        line.rekor.next(.lost) { $0.method == "POST" }
        await #expect(throws: SigstoreError.self) { try await anchoring(line, daemon).anchorIfDue() }
        try await age("certificate_not_after", line)
        return (line, daemon)
    }

    private func age(_ column: String, _ line: SigningLine) async throws {
        try await line.database.pool.execute(
            Query(unsafeSQL: "UPDATE countersign.evidence SET \(column) = \(column) - interval '1 hour'"))
    }

    @Test func `a look that takes long does not count as the time until the next one`() async throws {
        let (line, daemon) = try await overdue()
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold))
        let look = Task { try await anchoring(line, daemon).anchorIfDue() }
        await hold.reached()
        let during = try await line.database.journal.databaseNow()
        hold.release()
        await #expect(throws: SigningError.self) { try await look.value }
        let missed = try await line.database.pool.query(
            "SELECT first_missed_at AS at FROM countersign.evidence WHERE abandoned_at IS NULL")
        #expect(try missed.first?.decode("at", as: Date.self) ?? .distantPast > during)
    }

    @Test func `an anchor whose certificate ended is put aside after two looks, and one more is made`() async throws {
        let (line, daemon) = try await overdue()
        for _ in 0..<2 {  // the second look comes too soon after the first
            await #expect(throws: SigningError.self) { try await anchoring(line, daemon).anchorIfDue() }
        }
        #expect(
            try await line.database.number(
                "SELECT count(*) FROM countersign.evidence WHERE abandoned_at IS NULL AND first_missed_at IS NOT NULL")
                == 1)
        try await age("first_missed_at", line)
        await #expect(throws: SigningError.self) { try await anchoring(line, daemon).anchorIfDue() }
        #expect(
            try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE abandoned_at IS NOT NULL")
                == 1)
        try await anchoring(line, daemon).anchorIfDue()
        let report = try await report(line, daemon)
        #expect(report.anchors == 1 && report.faults.isEmpty)
    }

    @Test func `a daemon that finds the turn taken sends nothing`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        let other = Turns(pool: line.database.pool, holder: UUID())
        #expect(try await other.take("audit_anchor"))
        try await anchoring(line, daemon).anchorIfDue()
        #expect(try await line.database.number("SELECT count(*) FROM countersign.audit_anchor") == 0)
        try await other.release("audit_anchor")
        try await anchoring(line, daemon).anchorIfDue()
        #expect(try await report(line, daemon).anchors == 1)
    }

    @Test func `two daemons make one anchor of one day`() async throws {
        let line = try await SigningLine()
        let (first, second) = (try await line.daemon(), try await line.daemon())
        try await write(line)
        async let one: Void = anchoring(line, first, interval: .seconds(60)).anchorIfDue()
        async let other: Void = anchoring(line, second, interval: .seconds(60)).anchorIfDue()
        _ = try await (one, other)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.audit_anchor") == 1)
        #expect(try await report(line, first).anchors == 1)
    }

    @Test func `a chain that was written anew contradicts its anchor, and so does one that was cut`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        try await write(line)
        try await anchoring(line, daemon).anchorIfDue()
        // somebody with every right writes another history, hashes and all
        for statement in [
            "ALTER TABLE countersign.audit_anchor DROP CONSTRAINT audit_anchor_position_fkey",
            "ALTER TABLE countersign.audit DISABLE TRIGGER audit_append_only", "DELETE FROM countersign.audit",
        ] as [Query] {
            _ = try await line.database.pool.execute(statement)
        }
        let cut = try await report(line, daemon)
        #expect(cut.entries == 0 && cut.faults.map(\.position) == [2])
        try await write(line)
        try await write(line)
        let rewritten = try await report(line, daemon)
        #expect(rewritten.entries == 2 && rewritten.anchors == 0)
        #expect(rewritten.faults.map(\.observed) == ["the chain was rewritten: a signed head says otherwise"])
    }

    @Test func `a forged anchor does not verify`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        try await write(line)
        try await anchoring(line, daemon).anchorIfDue()
        _ = try await line.database.pool.execute(
            """
            UPDATE countersign.audit_anchor a SET position = 1, head = r.hash FROM countersign.audit r WHERE r.position = 1
            """)
        let report = try await report(line, daemon)
        #expect(report.anchors == 0 && report.faults.map(\.position) == [1])
    }
}
