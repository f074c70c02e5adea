import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// What is signed of what was pushed.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct SubjectTests {
    @Test func `of an index the index alone is signed unless policy says otherwise`() async throws {
        let line = try await SigningLine()
        let (index, images, attestation) = try await line.index()
        try await line.push(index.descriptor.digest)
        try await line.daemon(.index(.index)).workOff()
        try await line.expectSignedOnce(index.descriptor.digest)
        for child in images + [attestation] {
            #expect(try await line.state(child.descriptor.digest) == nil)
            try await line.expectNothingPublic(child.descriptor.digest)
        }
    }

    @Test func `by policy its images are signed instead, never BuildKit's attestations`() async throws {
        let line = try await SigningLine()
        let (index, images, attestation) = try await line.index()
        try await line.push(index.descriptor.digest)
        try await line.daemon(.index(.children)).workOff()
        for image in images { try await line.expectSignedOnce(image.descriptor.digest) }
        #expect(try await line.state(index.descriptor.digest) == "refused")
        #expect(try await line.failure(index.descriptor.digest)?.code == "policy.children_only")
        try await line.expectNothingPublic(index.descriptor.digest)
        #expect(try await line.state(attestation.descriptor.digest) == nil)
        try await line.expectNothingPublic(attestation.descriptor.digest)
    }

    @Test func `an index that was signed stays so when its rule comes to sign the children alone`() async throws {
        let line = try await SigningLine()
        let (index, images, _) = try await line.index()
        let digest = index.descriptor.digest
        try await line.push(digest)
        try await line.daemon(.index(.both)).workOff()
        try await line.push(digest)
        try await line.daemon(.index(.children)).workOff()
        #expect(try await line.state(digest) == "signed")
        #expect(try await line.failure(digest)?.code == "policy.children_only")
        #expect(try await line.referrers(of: digest).count == 1)
        for image in images { try await line.expectSignedOnce(image.descriptor.digest) }
    }

    @Test func `an index within an index is followed, one within that is refused by name`() async throws {
        let line = try await SigningLine()
        let image = try await line.image(tag: "leaf")
        func index(of child: Manifest, _ tag: String) async throws -> Manifest {
            try await line.put(
                """
                {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[{"mediaType":"\(child.descriptor.mediaType)",\
                "size":\(child.bytes.count),"digest":"\(child.descriptor.digest)"}]}
                """, MediaType.ociIndex, .tag(tag))
        }
        let innermost = try await index(of: image, "three")
        let inner = try await index(of: innermost, "two")
        let outer = try await index(of: inner, "one")
        try await line.push(outer.descriptor.digest)
        try await line.daemon(.index(.both)).workOff()
        #expect(try await line.state(outer.descriptor.digest) == "signed")
        #expect(try await line.state(inner.descriptor.digest) == "signed")
        #expect(try await line.state(innermost.descriptor.digest) == "refused")
        #expect(try await line.failure(innermost.descriptor.digest)?.code == "manifest.too_deep")
        #expect(try await line.state(image.descriptor.digest) == nil)

        // asked for by itself it is the first level
        try await line.push(innermost.descriptor.digest)
        try await line.daemon(.index(.both)).workOff()
        #expect(try await line.state(innermost.descriptor.digest) == "signed")
        #expect(try await line.state(image.descriptor.digest) == "signed")
    }

    @Test func `by policy both are signed, the children once although they were pushed too`() async throws {
        let line = try await SigningLine()
        let (index, images, attestation) = try await line.index()
        for pushed in images + [index] { try await line.push(pushed.descriptor.digest) }
        try await line.daemon(.index(.both)).workOff()
        for signed in images + [index] { try await line.expectSignedOnce(signed.descriptor.digest) }
        #expect(try await line.state(attestation.descriptor.digest) == nil)
    }

    @Test func `a look back at an index is no push of its children, and finds those that nobody knows`() async throws {
        let line = try await SigningLine()
        let (index, images, _) = try await line.index()
        for pushed in images + [index] { try await line.push(pushed.descriptor.digest) }
        let daemon = try await line.daemon(.index(.both))
        try await daemon.workOff()
        let (cancelled, unknown) = (images[0].descriptor.digest, images[1].descriptor.digest)
        try await line.database.pool.execute(
            "UPDATE countersign.target SET state = 'cancelled' WHERE digest = \(cancelled.description)::text")
        try await line.database.pool.execute(
            """
            UPDATE countersign.target SET digest = \(sampleDigest("other").description)::text
            WHERE digest = \(unknown.description)::text
            """)
        func pushes() async throws -> Int {
            try await line.database.number(
                "SELECT pushes::bigint FROM countersign.target WHERE digest = \(cancelled.description)::text")
        }
        let before = try await pushes()
        try await line.push(index.descriptor.digest)
        try await daemon.attemptAll()
        #expect(try await line.state(cancelled) == "cancelled")
        #expect(try await pushes() == before)
        #expect(try await line.state(unknown) == "queued")
    }

    @Test func `arbitrary artifacts and Docker images are signed`() async throws {
        let line = try await SigningLine()
        let pushed = [try await line.artifact(), try await line.image(mediaType: MediaType.dockerManifest)]
        for manifest in pushed { try await line.push(manifest.descriptor.digest) }
        try await line.daemon().workOff()
        for manifest in pushed { try await line.expectSignedOnce(manifest.descriptor.digest) }
    }

    @Test func `neither our referrers nor their index are ever signed`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        let daemon = try await line.daemon()
        try await daemon.workOff()
        let referrer = try #require(try await line.signature(of: digest)).referrer
        let index = try await line.pusher.resolve(line.repository.name, tag: SignatureTag.fallback(for: digest))

        for material in [referrer, index.descriptor.digest] {
            try await line.push(material)
            try await daemon.workOff()
            #expect(try await line.state(material) == "refused")
            #expect(try await line.failure(material)?.code == "policy.signature_material")
            try await line.expectNothingPublic(material)
        }
        try await line.expectSignedOnce(digest)
    }

    @Test func `a manifest that is not what its digest says is not signed`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        line.registry.next(
            .answered(200, headers: [("Content-Type", MediaType.ociManifest)], body: "{}"), times: 10
        ) { $0.path.hasSuffix("/manifests/\(digest)") }
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "failed")
        #expect(try await line.failure(digest)?.code == "registry.digest_mismatch")
        try await line.expectNothingPublic(digest)
    }

    /// Of a proxy: the image is as it was pushed, and served again once the registry is reached.
    @Test func `a page with status 200 in place of a manifest is waited for, by digest and by tag`() async throws {
        let line = try await SigningLine()
        let pushed = try await line.image(tag: "pushed").descriptor.digest
        let named = try await line.image(tag: "named").descriptor.digest
        try await line.push(pushed)
        try await line.database.push(samplePush(nil, tag: "named", repository: line.repository.name))
        line.registry.next(.answered(200, body: "<html>"), times: 100) { $0.path.contains("/manifests/") }
        let daemon = try await line.daemon()
        try await daemon.workOff(atMost: 5)
        #expect(try await line.state(pushed) == "waiting")
        #expect(try await line.failure(pushed)?.code == "registry.unexpected_answer")
        #expect(try await line.database.jobCount() == 2)
        #expect(try await line.database.number("SELECT count(*) FROM countersign.dead_letter") == 0)
        line.registry.heal()
        try await daemon.workOff()
        for digest in [pushed, named] { try await line.expectSignedOnce(digest) }
    }

    @Test func `a push that names only a tag signs what the tag points at now`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image(tag: "latest").descriptor.digest
        try await line.database.push(samplePush(nil, tag: "latest", repository: line.repository.name))
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }

    @Test func `what others list beside an image does not keep it unsigned`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        for garbage in ["not a bundle", "{}"] {
            let bundle = Array(garbage.utf8)
            let referrer = BundleReferrer.render(
                bundle: bundle, subject: image.descriptor, predicateType: "https://sigstore.dev/cosign/sign/v1",
                created: Date(timeIntervalSince1970: 0))
            _ = try await line.pusher.attach(referrer, bundle: bundle, to: line.repository.name)
        }
        try await line.push(digest)
        try await line.daemon().workOff()
        #expect(try await line.state(digest) == "signed")
        let report = try await line.verify(digest)
        #expect(report.signatures.count == 1)
        #expect(report.rejected.count == 2, "theirs stay, and are not believed")
        #expect(try await line.logEntries(about: digest).count == 1)
    }

    /// distribution refuses an index that lists a manifest it does not have.
    @Test func `a deleted referrer that is still listed does not keep the image unsigned`() async throws {
        let line = try await SigningLine()
        let image = try await line.image()
        let digest = image.descriptor.digest
        let bundle = Array("{}".utf8)
        let referrer = BundleReferrer.render(
            bundle: bundle, subject: image.descriptor, predicateType: "https://sigstore.dev/cosign/sign/v1",
            created: Date(timeIntervalSince1970: 0))
        _ = try await line.pusher.attach(referrer, bundle: bundle, to: line.repository.name)
        try await line.delete(referrer.descriptor.digest)
        try await line.push(digest)
        try await line.daemon().workOff()
        try await line.expectSignedOnce(digest)
    }
}
