import OCI
import Postgres
import Support
import Synchronization
import Testing

@testable import Countersign

/// What the daemon's log says of a head that was not signed: the alert sends the operator there.
extension AuditAnchorTests {
    /// The first line that the service writes.
    private func told(_ line: SigningLine, _ daemon: SigningDaemon) async throws -> String {
        let lines = KeptLines()
        let service = anchoring(line, daemon, logger: lines.logger)
        let running = Task { try await service.run() }
        try await eventually("a line is written") { !lines.kept.withLock { $0.isEmpty } }
        running.cancel()
        try await running.value
        return lines.kept.withLock { $0[0].text }
    }

    @Test func `a head that was not signed for another's token is told with code and fix`() async throws {
        let line = try await SigningLine()
        try await line.useToken(subject: "system:serviceaccount:ci:other")
        let daemon = try await line.daemon()
        try await write(line)
        let told = try await told(line, daemon)
        #expect(told.contains(#""error.code": identity.mismatch"#), "\(told)")
        #expect(
            told.contains("the certificate is for ") && told.contains("token of the configured identity"), "\(told)")
    }

    @Test func `a head that was not signed while a log is taken for down is told with the breaker's code`() async throws
    {
        let line = try await SigningLine()
        var setup = SigningLine.Setup()
        var budgets = BudgetConfiguration()
        budgets.breaker.failures = 1
        (budgets.breaker.open, budgets.breaker.ceiling) = (.seconds(3_600), .seconds(36_000))
        setup.budgets = budgets
        let daemon = try await line.daemon(setup)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        line.rekor.next(.answered(503), times: 99)
        try await daemon.attemptAll()
        try await eventually("it is taken for down") {
            try await line.database.number("SELECT count(*) FROM countersign.upstream WHERE openings = 1") == 1
        }
        try await write(line)
        let told = try await told(line, daemon)
        #expect(told.contains(#""error.code": breaker.open"#) && told.contains(#""fix": "#), "\(told)")
        #expect(!told.contains("StageFailure"), "\(told)")
    }
}
