import FoundationEssentials
import OCI
import Postgres
import SigstoreLab
import Support
import Testing

@testable import Countersign

/// The last row of the crash table: our whole database is lost, and the signatures are still there.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct AdoptionTests {
    @Test func `after the loss of the database our own signature is adopted, not made again`() async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()
        let lost = try #require(try await before.signature(of: digest))

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        let (sent, written) = (after.rekor.requests.count, after.registry.writes)
        try await after.daemon().workOff()

        try await after.expectSignedOnce(digest)
        let adopted = try #require(try await after.signature(of: digest))
        #expect(adopted.logIndex == lost.logIndex)
        #expect(adopted.referrer == lost.referrer)
        #expect(after.rekor.requests.count == sent, "the log was not asked")
        #expect(after.registry.writes == written, "the registry was not written to")
    }

    /// The object store behind a registry that is restored, or a proxy before it.
    @Test(arguments: [404, 200], SignatureFormat.allCases)
    func `a signature of ours that could not be read is waited for, not made again`(
        status: Int, format: SignatureFormat
    ) async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon(.formats([format])).workOff()

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        after.registry.next(.answered(status, body: "<html>"), where: \.isReadBack)
        let daemon = try await after.daemon(.formats([format]))
        try await daemon.attemptAll()
        #expect(try await after.state(digest) == "waiting")
        try await daemon.workOff()
        try await after.expectSignedOnce(digest, in: [format])
    }

    @Test func `what is adopted is recorded in the log that has it, whichever is in use now`() async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        var setup = SigningLine.Setup()
        setup.isRekorV2 = true
        try await after.daemon(setup).workOff()
        try await after.expectSignedOnce(digest)
        let entries = try await LogEntryRecords(pool: after.database.pool).entries(.init()).items
        #expect(try await entries.map(\.log) == [after.lab.endpoints.rekor])
    }

    @Test func `what is adopted was signed when it was, not when it was found`() async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()
        let entered = try #require(try await before.signature(of: digest)?.integratedAt)

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        try await after.daemon().workOff()
        #expect(try await after.signature(of: digest)?.signedAt == entered)
        var selector = BatchSelector()
        selector.signedBefore = entered.addingTimeInterval(0.001)
        let selection = BatchSelection(pool: after.database.pool)
        #expect(try await selection.subjects(selector, signedOnly: true)?.compactMap(\.digest) == [digest])

        // rows of before are mended by the next look
        try await after.database.pool.execute("UPDATE countersign.target SET signed_at = now()")
        try await after.recheckAll(with: try await after.daemon())
        #expect(try await after.signature(of: digest)?.signedAt == entered)
    }

    @Test func `what is adopted can be restored from our own tables later`() async throws {
        let before = try await SigningLine()
        let image = try await before.image()
        let digest = image.descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()

        let after = try await before.withFreshDatabase()
        try await after.push(digest)
        try await after.daemon().workOff()
        let adopted = try #require(try await after.signature(of: digest))
        try await after.delete(adopted.referrer)
        try await after.push(digest)
        try await after.daemon().workOff()

        try await after.expectSignedOnce(digest)
        #expect(try await after.signature(of: digest)?.referrer == adopted.referrer)
    }

    @Test func `a signature by somebody else is not adopted, and stays`() async throws {
        let theirs = try await SigningLine()
        let digest = try await theirs.image().descriptor.digest
        try await theirs.useToken(subject: "system:serviceaccount:ci:other")
        var other = SigningLine.Setup()
        other.subject = "https://kubernetes.io/namespaces/ci/serviceaccounts/other"
        try await theirs.push(digest)
        try await theirs.daemon(other).workOff()
        #expect(try await theirs.state(digest) == "signed")

        let ours = try await theirs.withFreshDatabase()
        try await ours.useToken()
        try await ours.push(digest)
        try await ours.daemon().workOff()
        #expect(try await ours.state(digest) == "signed")
        #expect(try await ours.referrers(of: digest).count == 2)
        #expect(try await ours.logEntries(about: digest).count == 2)
        let verdict = try await ours.verify(digest)
        #expect(verdict.signatures.count == 1)
        #expect(verdict.rejected.map(\.code) == ["verify.identity"])
    }

    @Test func `a signature that was copied with its image carries no approval, so it is not adopted`() async throws {
        let source = try await SigningLine()
        let image = try await source.image()
        let digest = image.descriptor.digest
        try await source.push(digest)
        try await source.daemon().workOff()

        let destination = try await SigningLine()
        try await source.copy(image, to: destination)
        for bundle in try await source.referrers(of: digest) {
            let referrer = BundleReferrer.render(
                bundle: bundle.bytes, subject: image.descriptor, predicateType: "https://sigstore.dev/cosign/sign/v1",
                created: .now)
            _ = try await destination.pusher.attach(referrer, bundle: bundle.bytes, to: destination.repository.name)
        }
        try await destination.push(digest)
        try await destination.daemon().workOff()
        #expect(try await destination.state(digest) == "signed")
        #expect(try await destination.logEntries(about: digest).count == 2)
        let verdict = try await destination.verify(digest)
        #expect(verdict.signatures.count == 1)
        #expect(verdict.rejected.map(\.code) == ["verify.repository"])
    }

    @Test func `what others list in hundreds is fetched once, within a budget`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let (digest, name) = (image.descriptor.digest, line.repository.name)
        // distinct referrers of one blob, listed by one write of the index
        let blob = Array("not a bundle, \(UUID())".utf8)
        let large = Array(repeating: UInt8(0x20), count: BlobLook.blobLimit + 1)
        for bundle in [blob, large] { try await line.pusher.pushBlob(name, bundle) }
        try await line.list(
            (0..<40).map { number in
                BundleReferrer.render(
                    bundle: number == 0 ? large : blob, subject: image.descriptor, predicateType: "\(number)",
                    created: .now
                ).manifest
            }, beside: image)
        try await line.push(digest)
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "signed")
        func fetched(_ blob: [UInt8]) -> Int {
            line.registry.requests.count { $0.path.hasSuffix("/blobs/\(Digest.sha256(of: blob))") }
        }
        #expect(fetched(blob) == 1)
        #expect(fetched(large) == 0, "its size was enough")

        let place = SignaturePlace(registry: line.pusher, repository: line.repository)
        var look = BlobLook(place: place, budget: blob.count * 2 - 1)
        let (first, second) = (Digest.sha256(of: blob), Digest.sha256(of: large))
        #expect(try await look.bytes(of: first, size: blob.count) == blob)
        #expect(try await look.bytes(of: first, size: blob.count) == blob, "it is at hand")
        #expect(try await look.bytes(of: second, size: blob.count) == nil, "beyond the budget")
    }

    @Test func `our bundle in somebody's manifest of another type is passed over for our own`() async throws {
        let before = try await SigningLine()
        let image = try await before.image()
        let digest = image.descriptor.digest
        try await before.push(digest)
        try await before.daemon().workOff()
        let lost = try #require(try await before.signature(of: digest))

        let after = try await before.withFreshDatabase()
        let ours = try await after.pusher.manifest(after.repository.name, lost.referrer).bytes
        let theirs = Array(
            String(decoding: ours, as: UTF8.self).replacing(
                #""artifactType":"\#(MediaType.sigstoreBundle)""#, with: #""artifactType":"application/x""#
            ).utf8)
        #expect(theirs != ours)
        try await after.list([theirs, ours], beside: image)
        try await after.push(digest)
        try await after.daemon().workOff()
        #expect(try await after.state(digest) == "signed")
        let adopted = try #require(try await after.signature(of: digest))
        #expect(adopted.referrer == lost.referrer && adopted.logIndex == lost.logIndex)
        #expect(try await after.logEntries(about: digest).count == 1)
    }

    @Test func `our envelope, written anew by somebody, is passed over for our own`() async throws {
        let before = try await SigningLine()
        let digest = try await before.image().descriptor.digest
        let setup = SigningLine.Setup.formats([.legacy])
        func attest(_ line: SigningLine) async throws -> Int64 {
            try await line.push(digest)
            try await line.daemon(setup).workOff()
            let id = try await line.attest(try sampleDocument("openvex-0.2.0.json"), "openvex", about: digest)
            try await line.daemon(setup).workOff()
            return id
        }
        let lost = try #require(try await before.attestation(attest(before)).status.signature)

        let (after, name) = (try await before.withFreshDatabase(), before.repository.name)
        let layer = try #require(try await after.pusher.legacyLayers(.attestation, of: digest, in: name).first)
        let payload = try await after.pusher.blob(name, layer.digest, limit: layer.size)
        let ours = LegacyLayer(mediaType: layer.mediaType, payload: payload, annotations: layer.annotations ?? [:])
        var annotations = layer.annotations ?? [:]
        // which is over the layer as it was
        annotations["dev.sigstore.cosign/rfc3161timestamp"] = nil
        let theirs = LegacyLayer(mediaType: layer.mediaType, payload: [0x20] + payload, annotations: annotations)
        try await after.pusher.dropLegacyLayers([ours.encoded()], .attestation, of: digest, in: name)
        for layer in [theirs, ours] {
            try await after.pusher.attach(layer, .attestation, to: digest, in: name)
        }
        let adopted = try #require(try await after.attestation(attest(after)).status.signature)
        #expect(adopted.logIndex == lost.logIndex)
    }
}
