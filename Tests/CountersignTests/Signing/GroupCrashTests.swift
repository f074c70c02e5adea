import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// The crash table for groups: the first attempt stops at a request, is taken for dead and finished by another daemon; then
/// it wakes up and goes on.
@Suite(.serialized, .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct GroupCrashTests {
    typealias Point = CrashTests.Point

    static let points: [Point] = [
        Point("a member is looked at", .nothing, \.registry, acted: true, nth: 2) {
            $0.method == "GET" && $0.path.contains("/manifests/sha256:")
        },
        Point("before the certificate", .nothing, \.fulcio, acted: false) { $0.method == "POST" },
        Point("timestamped, not committed", .nothing, \.tsa, acted: true) { _ in true },
        Point("committed, not sent to the log", .prepared, \.rekor, acted: false) { $0.method == "POST" },
        Point("the log has it, its answer is lost", .prepared, \.rekor, acted: true) { $0.method == "POST" },
        Point("the bundle is pushed", .logged, \.registry, acted: true, \.isBlobUpload),
        Point("before the first referrer", .logged, \.registry, acted: false, \.isReferrer),
        Point("the third referrer is pushed", .published, \.registry, acted: true, nth: 3, \.isReferrer),
        Point("the third index is written", .published, \.registry, acted: true, nth: 3, \.isFallbackIndex),
    ]

    @Test(arguments: points)
    func `whoever dies, a group has one entry, and the zombie adds none`(_ point: Point) async throws {
        try await die(at: point) { try await $0.workOffGroups() }
    }

    @Test(arguments: points.filter { $0.durable != .nothing })
    func `what a group has begun is finished member by member as well`(_ point: Point) async throws {
        try await die(at: point) { try await $0.workOff() }
    }

    private func die(
        at point: Point, goingOn: (SigningDaemon) async throws -> Void
    ) async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 4)
        let first = try await line.daemon()
        let hold = FaultRelay.Hold()
        point.relay(line).next(point.acted ? .answerHeld(hold) : .held(hold), where: point.counted())
        let zombie = Task { try await first.attemptGroups(width: 1) }
        await hold.reached()
        #expect(try await durable(line) == point.durable)

        try await line.giveUpHolders()
        try await goingOn(line.daemon())
        try await line.expectSignedOnce(digests)
        hold.release()
        try await zombie.value
        try await line.expectSignedOnce(digests)
        let certificates = line.fulcio.requests.count { $0.method == "POST" }
        if point.durable != .nothing { #expect(certificates == 1, "no second signature") }
    }

    private func durable(_ line: SigningLine) async throws -> CrashTests.Durable {
        let rows = try await line.database.pool.query(
            """
            SELECT bool_or(e.logged_at IS NOT NULL) AS logged, bool_or(a.pushed_at IS NOT NULL) AS published
            FROM countersign.evidence e LEFT JOIN countersign.attachment a ON a.evidence_id = e.id HAVING count(*) > 0
            """)
        guard let row = rows.first else { return .nothing }
        if try row.decode("published", as: Bool.self) { return .published }
        return try row.decode("logged", as: Bool.self) ? .logged : .prepared
    }

    /// A commit that fails, at each commit of the line.
    @Test(arguments: [
        "INSERT ON countersign.evidence", "INSERT ON countersign.attachment", "UPDATE ON countersign.attachment",
        "DELETE ON countersign.job",
    ])
    func `a failed commit of a group is made by the next attempt`(_ commit: String) async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        try await line.database.refuse(commit)
        try await line.daemon().attemptGroups()
        for digest in digests { #expect(try await line.state(digest) != "signed") }
        try await line.database.refuseNothing()
        try await line.giveUpHolders()
        try await line.daemon().workOffGroups()
        try await line.expectSignedOnce(digests)
    }

    @Test func `members that find the same evidence do not send it to the log at the same time`() async throws {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        line.rekor.next(.answered(503)) { $0.method == "POST" }
        try await line.daemon().attemptGroups()
        let hold = FaultRelay.Hold()
        line.rekor.next(.held(hold)) { $0.method == "POST" }
        try await line.database.pool.execute("UPDATE countersign.job SET run_at = now()")
        let claims = try await line.database.claim()
        #expect(claims.count == 3)
        let (first, second) = (try await line.daemon(), try await line.daemon())
        let sending = Task { await first.attempt(claims[0]) }
        await hold.reached()
        await second.attempt(claims[1])
        #expect(try await line.failure(try #require(claims[1].target?.digest))?.code == "signing.group_busy")
        #expect(line.rekor.requests.count { $0.method == "POST" } == 2)
        hold.release()
        await sending.value
        await second.attempt(claims[2])
        try await second.workOff()
        try await line.expectSignedOnce(digests)
    }

    @Test func `evidence of a group is given up for all of its members at once, and they are signed anew once`()
        async throws
    {
        let line = try await SigningLine()
        let digests = try await line.group(of: 3)
        line.rekor.next(.answered(503)) { $0.method == "POST" }
        let daemon = try await line.daemon()
        try await daemon.attemptGroups()
        try await line.database.makeDue()
        let claim = try #require(try await line.database.claim(limit: 1).first)
        let target = try #require(claim.target)
        let evidence = try #require(try await line.database.journal.evidence(of: target))
        #expect(evidence.prepared.subjects == 3)
        try await line.database.journal.abandon(evidence, reason: "the certificate ended", for: claim)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence_target WHERE live") == 0)
        _ = try await line.database.queue.settle(claim, as: .released)
        try await line.daemon().workOffGroups()
        for digest in digests { try await line.expectSignedOnce(digest, abandoned: 1) }
        #expect(try await line.entries(about: digests).count == 1)
    }
}
