import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// What an attempt does when nobody told it that its job is its own still.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct LeaseTrustTests {
    /// Claims of this daemon are never to be trusted.
    private func distrusting(_ line: SigningLine) async throws -> SigningDaemon {
        var setup = SigningLine.Setup()
        setup.settings.leaseMargin = setup.settings.lease
        return try await line.daemon(setup)
    }

    @Test func `an attempt without trust in its lease is stopped and gives its job back`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let doubter = try await distrusting(line)
        await doubter.attempt(try await doubter.claimOne())
        #expect(try await line.state(digest) == "queued")
        #expect(try await line.database.number("SELECT count(*) FROM countersign.job WHERE attempt = 0") == 1)
        try await line.expectNothingPublic(digest)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    /// The look before each write by itself: the process stood still, and nothing has stopped the attempt yet.
    @Test func `nothing is sent to the log, and nothing written to the registry, without trust in the lease`()
        async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let doubter = try await distrusting(line)
        try await untrusted(doubter, line)
        #expect(line.rekor.writes == 0 && line.registry.writes == 0)
        #expect(try await line.evidenceRows(of: digest) == (1, 0), "signed and stored, not sent")

        // logged by another one, and not yet published
        try await line.giveUpHolders()
        line.registry.next(.answered(503), times: 100) { $0.isWrite }
        try await line.daemon().attemptAll()
        #expect(try await line.logEntries(about: digest).count == 1)
        line.registry.heal()
        try await line.database.makeDue()
        let writes = line.registry.writes
        try await untrusted(doubter, line)
        #expect(line.registry.writes == writes)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.subject_lease") == 0)

        try await line.giveUpHolders()
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    /// Works the line itself, without what stops it.
    private func untrusted(_ doubter: SigningDaemon, _ line: SigningLine) async throws {
        let claim = try await doubter.claimOne()
        let trace = AttemptTrace(claim, logger: SigningDaemon.silence, metrics: ServiceMetrics())
        let failure = await #expect(throws: StageFailure.self) {
            try await SignArtifact(doubter.attempt.parts)(claim, trace)
        }
        let code = failure.map { AttemptFailure($0).failure.code }
        #expect(code == "queue.lease_untrusted")
    }

    @Test func `work goes on for as long as heartbeats renew the trust, and no longer`() async throws {
        let trust = LeaseTrust(jobID: 1, until: .now + .seconds(3))
        try await trust.lasting {
            trust.renew(until: .now + .seconds(600))
            try await Task.sleep(for: .seconds(4))
        }
        // an answer that comes late shortens nothing
        trust.renew(until: .now)
        try trust.check()
        await #expect(throws: QueueError.self) {
            try await LeaseTrust(jobID: 1, until: .now + .milliseconds(20)).lasting {
                try await Task.sleep(for: .seconds(600))
            }
        }
    }
}
