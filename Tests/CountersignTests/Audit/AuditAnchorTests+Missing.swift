import Postgres
import Support
import Testing

@testable import Countersign

/// Heads that somebody hid, or that nobody made.
extension AuditAnchorTests {
    /// The newest row was written three days ago, hash and all.
    private func age(_ line: SigningLine) async throws {
        for statement in [
            "ALTER TABLE countersign.audit DISABLE TRIGGER audit_append_only",
            """
            UPDATE countersign.audit a SET at = a.at - interval '3 days', hash = countersign.audit_hash(
                jsonb_populate_record(a, jsonb_build_object('at', a.at - interval '3 days')))
            WHERE position = (SELECT max(position) FROM countersign.audit)
            """,
            "ALTER TABLE countersign.audit ENABLE TRIGGER audit_append_only",
        ] as [Query] {
            _ = try await line.database.pool.execute(statement)
        }
    }

    /// A daemon at work, and a row of three days ago that no head vouches for.
    private func waiting() async throws -> (line: SigningLine, daemon: SigningDaemon) {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        try await daemon.queue.announce(host: "here", version: "1")
        try await age(line)
        return (line, daemon)
    }

    @Test func `a row that no head vouches for after two days is a fault, before the first head and after it`()
        async throws
    {
        let (line, daemon) = try await waiting()
        var faults = try await report(line, daemon).faults
        #expect(faults.map(\.position) == [1])
        #expect(faults.map(\.observed) == ["no signed head vouches for it, and work went on for 72 hours after it"])
        try await anchoring(line, daemon).anchorIfDue()
        #expect(try await report(line, daemon).faults.isEmpty)
        try await write(line)
        #expect(try await report(line, daemon).faults.isEmpty)
        try await age(line)
        faults = try await report(line, daemon).faults
        #expect(faults.map(\.position) == [2])
    }

    @Test func `of a dump that was put away, and of an installation that stands still, no row waits too long`()
        async throws
    {
        let (line, daemon) = try await waiting()
        try await line.database.pool.execute("UPDATE countersign.worker SET seen_at = seen_at - interval '3 days'")
        #expect(try await report(line, daemon).faults.isEmpty)
        // without a daemon that shows itself, a row that follows tells as much
        try await write(line)
        #expect(try await report(line, daemon).faults.map(\.position) == [1])
    }

    @Test func `a head that was put aside after it was logged is a fault`() async throws {
        let line = try await SigningLine()
        let daemon = try await line.daemon()
        try await write(line)
        try await anchoring(line, daemon).anchorIfDue()
        // as its owner could
        _ = try await line.database.pool.execute("ALTER TABLE countersign.evidence DISABLE TRIGGER evidence_head_kept")
        _ = try await line.database.pool.execute(
            "UPDATE countersign.evidence SET abandoned_at = now(), abandon_reason = 'a test'")
        var report = try await report(line, daemon)
        #expect(report.anchors == 0 && report.faults.map(\.position) == [1])
        // the daemon goes on, and what was hidden stays one
        try await anchoring(line, daemon).anchorIfDue()
        report = try await self.report(line, daemon)
        #expect(report.anchors == 1)
        #expect(report.faults.map(\.observed) == ["its signed head was put aside after a log had taken it"])
    }
}
