import FoundationEssentials
import OCI
import Sigstore
import Support
import Testing

@testable import Countersign

/// What a registry lists for a digest, before anything of it is believed.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct AttachedSignaturesTests {
    private static func place(_ line: SigningLine, suffix: String = "") throws -> SignaturePlace {
        SignaturePlace(
            registry: RegistryClient(
                try RegistryEndpoint(
                    name: SigningLine.registryName, url: line.registry.url, route: SigningLine.route),
                http: SigningLine.http),
            repository: try Repository(registry: SigningLine.registryName, name: line.repository.name + suffix))
    }

    private static func signed(_ setup: SigningLine.Setup) async throws -> (SigningLine, OCI.Digest) {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        return (line, digest)
    }

    @Test func `both formats are listed with the place where each was found`() async throws {
        let (line, digest) = try await Self.signed(.formats([.bundle, .legacy]))
        let place = try Self.place(line)
        let found = try await place.attached(to: digest)
        let referrer = try #require(try await line.referrers(of: digest).first).manifest.digest
        let layer = try #require(try await line.legacyLayers(of: digest).first)
        #expect(found.signatures.map(\.location.format) == [.bundle, .legacy])
        #expect(found.signatures.map(\.location.manifest).first == referrer)
        #expect(found.signatures.last?.location.tag == "sha256-\(digest.hex).sig")
        #expect(found.signatures.last?.location.layer == layer.digest)
        #expect(found.signatures.allSatisfy { $0.predicateType == Statement.cosignSignPredicateType })
        #expect(found.unreadable.isEmpty && found.others.isEmpty)
        var reading = SignatureReading(place, limit: AttachedSignatures.signatureLimit)
        for signature in found.signatures {
            let fetched = try await reading.fetch(signature).get()
            #expect(fetched.form.format == signature.location.format)
            #expect(OCI.Digest.sha256(of: fetched.bytes) == signature.layer.digest)
        }
    }

    @Test func `an image that nobody signed has none, and a registry that does not answer is no such image`()
        async throws
    {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        let place = try Self.place(line)
        #expect(try await place.attached(to: digest).signatures.isEmpty)
        line.registry.next(.answered(503), times: 99)
        await #expect(throws: OCIError.self) { try await place.attached(to: digest) }
    }

    @Test func `a tag that cannot be asked is a failure, although the referrers were read`() async throws {
        let (line, digest) = try await Self.signed(.formats([.bundle]))
        line.registry.next(.answered(502, body: "<html>"), times: 99) { $0.path.hasSuffix(".sig") }
        await #expect(throws: OCIError.self) { try await Self.place(line).attached(to: digest) }
        line.registry.heal()
        // a proxy's page, not the registry's word that there is no such tag
        line.registry.next(.answered(404, body: "<html>"), times: 99) { $0.path.hasSuffix(".sig") }
        await #expect(throws: OCIError.self) { try await Self.place(line).attached(to: digest) }
    }

    @Test func `what is listed and gone is told, and spoils nothing else`() async throws {
        let (line, digest) = try await Self.signed(.formats([.bundle, .legacy]))
        let place = try Self.place(line)
        let bundle = try #require(try await place.attached(to: digest).signatures.first)
        try await line.delete(bundle.layer.digest, "blobs")
        let again = try await place.attached(to: digest)
        #expect(again.signatures.count == 2)
        var reading = SignatureReading(place, limit: AttachedSignatures.signatureLimit)
        let fetched = try await reading.fetch(again.signatures[0])
        #expect(throws: SignatureRejection.self) { try fetched.get() }
        let report = try await line.verify(digest)
        #expect(report.signatures.map(\.location.format) == [.legacy])
        #expect(report.rejected.map(\.code) == ["verify.missing"])
    }

    @Test func `somebody's image under the tag of signatures is told as such`() async throws {
        let (line, digest) = try await Self.signed(.formats([.bundle]))
        let other = try await line.image(tag: "other")
        _ = try await line.pusher.pushManifest(
            line.repository.name, bytes: other.bytes, mediaType: other.descriptor.mediaType,
            reference: .tag("sha256-\(digest.hex).sig"))
        let found = try await Self.place(line).attached(to: digest)
        #expect(found.signatures.map(\.location.format) == [.bundle])
        #expect(found.unreadable.map(\.code) == ["registry.legacy_tag_not_signatures"])
    }

    @Test func `signatures that are kept apart are found there, and not beside the image`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image().descriptor.digest
        var setup = SigningLine.Setup.formats([.bundle, .legacy])
        setup.signatureRepository = "\(SigningLine.registryName)/\(line.repository.name)-signatures"
        try await line.push(digest)
        try await line.daemon(setup).workOff()
        #expect(try await Self.place(line).attached(to: digest).signatures.isEmpty)
        #expect(try await Self.place(line, suffix: "-signatures").attached(to: digest).signatures.count == 2)
    }
}
