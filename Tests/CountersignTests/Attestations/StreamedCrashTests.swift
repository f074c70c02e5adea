import OCI
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// The crash table for a document that is never held, at the boundaries of every signature: what is put aside, sent again or
/// pushed again is the same.
@Suite(.serialized, .enabled(if: SigningLine.isPossible, "docker-registry is not installed"))
struct StreamedCrashTests {
    private static let type = "https://example.com/large"

    @Test(arguments: CrashTests.points)
    func `whoever dies with a large document, it is signed once, and the zombie adds nothing`(
        _ point: CrashTests.Point
    ) async throws {
        let line = try await SigningLine(ofTiles: true)
        var setup = SigningLine.Setup()
        (setup.isRekorV2, setup.inlineLimit) = (true, 1_000)
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
        let document = Array((#"{"text":""# + String(repeating: "x", count: 100_000) + #""}"#).utf8)
        let id = try await line.attest(document, Self.type, about: digest)

        let first = try await line.daemon(setup)
        let hold = FaultRelay.Hold()
        point.relay(line).next(point.acted ? .answerHeld(hold) : .held(hold), where: point.counted())
        let claim = try await first.claimOne()
        let zombie = Task { await first.attempt(claim) }
        await hold.reached()
        #expect(try await CrashTests.durable(line, digest, of: "attestation %") == point.durable)

        try await line.giveUpHolders()
        let second = try await line.daemon(setup)
        try await second.workOff()
        try await expectSignedOnce(id, digest, line, second)
        hold.release()
        await zombie.value
        try await expectSignedOnce(id, digest, line, second)
        if point.durable != .nothing {
            #expect(line.fulcio.requests.count { $0.method == "POST" } == 2, "one for the image, no second signature")
        }
    }

    private func expectSignedOnce(
        _ id: Int64, _ digest: OCI.Digest, _ line: SigningLine, _ daemon: SigningDaemon
    ) async throws {
        let attestation = try await line.attestation(id)
        #expect(attestation.status.state == .signed, "\(String(describing: attestation.status.lastError))")
        #expect(attestation.routes == [.bundle: .inline])
        #expect(try await line.database.jobCount() == 0)
        #expect(try await line.database.contradictions() == 0)
        // the image's and the document's, which is not stored
        #expect(try await line.evidenceRows(of: digest) == (2, 0))
        #expect(try await line.database.number("SELECT count(*) FROM countersign.evidence WHERE bundle IS NULL") == 1)
        let bundles = try await line.referrers(of: digest)
        #expect(bundles.count == 2)
        let whole = try #require(bundles.first { $0.manifest.digest == attestation.status.signature?.referrer })
        let bundle = try UnverifiedBundle(json: whole.bytes, limits: UnverifiedBundle.attestationLimits)
        let verified = try daemon.signer.verify(.bundle(bundle), Self.type, for: digest, in: line.repository)
        #expect(verified.tlogEntries.count == 1)
    }
}
