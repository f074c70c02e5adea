import FoundationEssentials
import OCI
import OpenSSL
import Postgres
import Sigstore
import Support
import Testing

@testable import Countersign

/// Bundles and legacy signatures of one signing event.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct FormatTests {
    static let combinations: [[SignatureFormat]] = [[.bundle], [.legacy], [.bundle, .legacy]]

    @Test func `both formats carry the same certificate, each its own entry`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(.formats([.bundle, .legacy])).workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        #expect(line.fulcio.requests.count { $0.method == "POST" } == 1, "one certificate")

        let bundle = try UnverifiedBundle(json: try #require(try await line.referrers(of: digest).first).bytes)
        let layer = try #require(try await line.legacyLayers(of: digest).first)
        let pem = try #require(layer.annotations?["dev.sigstore.cosign/certificate"])
        #expect(bundle.material == .certificate(try Certificate(pem: pem).der))
    }

    @Test(arguments: combinations)
    func `without a timestamp authority the log's own time dates them`(_ formats: [SignatureFormat]) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats(formats)
        setup.isTimestamped = false
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        try await line.expectSignedOnce(digest, in: formats)
        #expect(line.tsa.requests.isEmpty)
    }

    @Test(arguments: combinations)
    func `a key of our own signs without a certificate`(_ formats: [SignatureFormat]) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats(formats)
        setup.key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
        let signature = try #require(try await line.signature(of: digest))
        #expect(signature.identity == "key:\(setup.key?.hint ?? "")" && signature.issuer == "")
        #expect(line.fulcio.requests.isEmpty)
        #expect(try await line.referrers(of: digest).count == (formats.contains(.bundle) ? 1 : 0))
        let layers = try await line.legacyLayers(of: digest)
        #expect(layers.count == (formats.contains(.legacy) ? 1 : 0))
        #expect(layers.allSatisfy { $0.annotations?["dev.sigstore.cosign/certificate"] == nil })

        // after the loss of the database it is ours all the same
        let after = try await line.withFreshDatabase()
        try await after.push(digest)
        let entries = after.rekor.requests.count
        try await after.daemon(setup).workOff()
        #expect(try await after.state(digest) == "signed")
        #expect(after.rekor.requests.count == entries, "adopted")
    }

    @Test(arguments: [([SignatureFormat.legacy], false), ([.bundle], true)])
    func `a key of which the log takes no signature waits for another`(
        _ formats: [SignatureFormat], _ isRekorV2: Bool
    ) async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats(formats)
        (setup.isRekorV2, setup.key) = (isRekorV2, ManagedKey(try PrivateKey.generate(.ed25519)))
        try await line.push(digest)
        // more often than a job outlives that is at fault itself
        try await line.daemon(setup).workOff(atMost: 5)
        let failure = try await line.failure(digest)
        #expect(failure?.code == "identity.key" && failure?.stage == "log", "\(String(describing: failure))")
        #expect(try await line.state(digest) == "waiting")
        #expect(try await line.evidenceRows(of: digest) == (0, 0))
        #expect(line.rekor.requests.isEmpty)
        setup.key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
    }

    @Test func `no key signs undated for a log that dates nothing, and what one had signed so is signed anew`()
        async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup()
        setup.key = ManagedKey(try PrivateKey.generate(.ecdsaP256))
        (setup.isRekorV2, setup.isTimestamped) = (true, false)
        try await line.push(digest)
        try await line.daemon(setup).attemptAll()
        let failure = try await line.failure(digest)
        #expect(failure?.code == "signing.no_timestamp" && failure?.stage == "log" && failure?.fix.isEmpty == false)
        #expect(try await line.evidenceRows(of: digest) == (0, 0), "nothing was signed, nothing is in the log")

        // what a daemon that demanded no date has signed and entered
        setup.isTimestamped = true
        line.registry.next(.lost, where: \.isBlobUpload)
        try await line.database.makeDue()
        try await line.daemon(setup).attemptAll()
        try await line.database.pool.execute("DELETE FROM countersign.attachment")
        try await line.database.pool.execute(
            """
            UPDATE countersign.evidence SET timestamp_token = NULL, logged_at = NULL, log_entry = NULL, log_id = NULL,
                log_index = NULL, log_uuid = NULL, integrated_at = NULL, bundle = NULL
            """)
        try await line.database.makeDue()
        try await line.daemon(setup).attemptAll()
        #expect(try await line.failure(digest)?.code == "verify.time")
        #expect(try await line.evidenceRows(of: digest) == (0, 1))
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.evidenceRows(of: digest) == (1, 1))
        #expect(try await line.referrers(of: digest).count == 1)
    }

    @Test(arguments: combinations)
    func `after the loss of the database each format is adopted, not made again`(
        _ formats: [SignatureFormat]
    ) async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon(.formats(formats)).workOff()
        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        let (sent, written) = (after.rekor.requests.count, after.registry.writes)
        try await after.daemon(.formats(formats)).workOff()
        try await after.expectSignedOnce(digest, in: formats)
        #expect(after.rekor.requests.count == sent && after.registry.writes == written)
    }

    @Test func `a format that policy asks for later is added, and the other stays as it is`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(.formats([.bundle])).workOff()
        let first = try #require(try await line.signature(of: digest))
        try await line.push(digest)
        try await line.daemon(.formats([.bundle, .legacy])).workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        #expect(try await line.signature(of: digest)?.logIndex == first.logIndex)
    }

    @Test func `a legacy tag that vanished is written again, with the same layer`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon(.formats([.bundle, .legacy]))
        try await daemon.workOff()
        let layers = try await line.legacyLayers(of: digest)
        let tag = try SignatureTag.legacy(.signature, for: digest)
        let manifest = try await line.pusher.resolve(line.repository.name, tag: tag)
        try await line.delete(manifest.descriptor.digest)

        try await line.push(digest)
        try await daemon.workOff()
        try await line.expectSignedOnce(digest, in: [.bundle, .legacy])
        #expect(try await line.legacyLayers(of: digest) == layers)
    }

    @Test func `signatures can be kept in another repository`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        setup.signatureRepository = "\(SigningLine.registryName)/\(line.repository.name)-signatures"
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.referrers(of: digest).isEmpty)
        #expect(try await line.legacyLayers(of: digest).isEmpty)
        let place = line.repository.name + "-signatures"
        #expect(try await line.pusher.bundles(place, of: digest).bundles.count == 1)
        #expect(try await line.pusher.legacyLayers(.signature, of: digest, in: place).count == 1)
    }
}
