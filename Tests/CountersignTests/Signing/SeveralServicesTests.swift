import FoundationEssentials
import OCI
import Postgres
import Sigstore
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// An instance that wants several timestamps for each signature.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SeveralServicesTests {
    /// A second way to the lab's authority: to the daemon it is another one.
    private static func authority(_ line: SigningLine) async throws -> FaultRelay {
        try FaultRelay(to: #require(URL(string: try await line.lab.endpoints.tsa)?.port))
    }

    private static func bundle(_ line: SigningLine, _ digest: OCI.Digest) async throws -> UnverifiedBundle {
        let listed = try await line.referrers(of: digest)
        #expect(listed.count == 1)
        return try UnverifiedBundle(json: try #require(listed.first).bytes)
    }

    @Test func `each authority timestamps a bundle, the first alone a legacy signature`() async throws {
        let line = try await SigningLine()
        let other = try await Self.authority(line)
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        setup.furtherAuthorities = [other]
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        #expect(line.tsa.requests.count == 2 && other.requests.count == 1)
        let bundle = try await Self.bundle(line, digest)
        #expect(Set(bundle.timestamps).count == 2)

        // what the registry serves is what the record has after the loss of the database
        let after = try await line.withFreshDatabase()
        try await after.push(digest)
        try await after.daemon(setup).workOff()
        try await after.expectSignedOnce(digest, in: [.bundle, .legacy])
        let kept = try await after.database.text(
            """
            SELECT string_agg(format || ' ' || cardinality(further_timestamps), ', ' ORDER BY format)
            FROM countersign.evidence
            """)
        #expect(kept == "bundle 1, legacy 0")
    }

    @Test func `what one of the authorities does not timestamp waits, and no log gets it`() async throws {
        let line = try await SigningLine()
        let other = try await Self.authority(line)
        other.next(.lost, times: 99)
        var setup = SigningLine.Setup()
        setup.furtherAuthorities = [other]
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(setup)
        try await daemon.attemptAll()
        #expect(try await line.state(digest) == "waiting")
        let failure = try await line.failure(digest)
        #expect(failure?.code == "tsa.unavailable" && failure?.stage == "timestamp", "\(String(describing: failure))")
        #expect(try await line.evidenceRows(of: digest) == (0, 0))
        try await line.expectNothingPublic(digest)

        other.heal()
        try await daemon.workOff()
        try await line.expectSignedOnce(digest)
        #expect(try await Self.bundle(line, digest).timestamps.count == 2)
    }

    @Test func `while one of the authorities is away no certificate is taken`() async throws {
        let line = try await SigningLine()
        let other = try await Self.authority(line)
        other.next(.lost, times: 99)
        var setup = SigningLine.Setup()
        setup.furtherAuthorities = [other]
        var budgets = BudgetConfiguration()
        budgets.breaker.failures = 1
        (budgets.breaker.open, budgets.breaker.ceiling) = (.seconds(3_600), .seconds(36_000))
        setup.budgets = budgets
        let daemon = try await line.daemon(setup)
        let digests = [try await line.image().descriptor.digest, try await line.image().descriptor.digest]
        try await line.push(digests[0])
        try await daemon.attemptAll()
        let issued = line.fulcio.requests.count
        #expect(issued > 0)
        try await line.push(digests[1])
        try await daemon.attemptAll()
        let failure = try await line.failure(digests[1])
        #expect(failure?.code == "breaker.open" && failure?.stage == "timestamp", "\(String(describing: failure))")
        #expect(line.fulcio.requests.count == issued && line.tsa.requests.count == 1)
    }
}
