import OCI
import Testing

@testable import OCI

@Suite struct FallbackIndexTests {
    static let subject = Digest.sha256(of: [9])
    static let foreign =
        #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":"sha256:9868e06d886b07d87a32635725a691b47c2a8776a2589108063b6b1caaeb8053","urls":["https://x/"],"data":"e30=","annotations":{"b":"2","a":"1"},"com.example.unknown":{"n":1.50}}"#

    static func index(_ entries: [String], more: String = "") throws -> FallbackIndex {
        let text =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[\#(entries.joined(separator: ","))]\#(more)}"#
        return try FallbackIndex(
            bytes: Array(text.utf8), mediaType: MediaType.ociIndex, entityTag: nil, subject: subject)
    }

    static func text(_ bytes: [UInt8]?) throws -> String { String(decoding: try #require(bytes), as: UTF8.self) }

    @Test func `a foreign entry stays as it was written, unknown members included`() throws {
        let merged = try Self.text(
            Self.index([Self.foreign], more: #","annotations":{"x":"y"}"#).adding(
                BundleReferrerTests.referrer(bundle: [1]).descriptor))
        #expect(merged.contains(Self.foreign))
        #expect(merged.hasSuffix(#"],"annotations":{"x":"y"}}"#))
    }

    @Test func `an entry with a digest that we cannot compute stays as well, and counts for nothing`() throws {
        let strange = Self.foreign.replacing("sha256:", with: "blake3:")
        let ours = BundleReferrerTests.referrer(bundle: [1]).descriptor
        let index = try Self.index([strange, Self.foreign, strange])
        #expect(index.descriptors.count == 1)
        let merged = try #require(index.adding(ours))
        #expect(try Self.text(merged).ranges(of: strange).count == 2)
        let both = try FallbackIndex(bytes: merged, mediaType: nil, entityTag: nil, subject: Self.subject)
        #expect(both.descriptors.count == 2 && both.adding(ours) == nil)
        #expect(try !Self.text(both.removing([ours.digest])).contains("\(ours.digest)"))
        #expect(try Self.text(both.removing([ours.digest])).ranges(of: strange).count == 2)
        #expect(throws: OCIError.self) { try Self.index([Self.foreign.replacing("sha256:", with: "sha256:Z")]) }
    }

    @Test func `our entry says its artifact type and annotations`() throws {
        let referrer = BundleReferrerTests.referrer(bundle: [1])
        let bytes = try #require(FallbackIndex.empty.adding(referrer.descriptor))
        let index = try FallbackIndex(bytes: bytes, mediaType: nil, entityTag: nil, subject: Self.subject)
        #expect(index.descriptors == [referrer.descriptor])
        #expect(index.descriptors[0].artifactType == MediaType.sigstoreBundle)
        #expect(index.descriptors[0].annotations?["dev.sigstore.bundle.content"] == "dsse-envelope")
    }

    @Test func `an entry that is there exactly is not written again`() throws {
        let entry = BundleReferrerTests.referrer(bundle: [1]).descriptor
        let bytes = try #require(FallbackIndex.empty.adding(entry))
        let index = try FallbackIndex(bytes: bytes, mediaType: nil, entityTag: nil, subject: Self.subject)
        #expect(index.adding(entry) == nil)
    }

    @Test func `an entry as cosign lists it is corrected in its place`() throws {
        let recorded = try FallbackIndex(
            bytes: Fixture.cosign("fallback-index.json"), mediaType: MediaType.ociIndex, entityTag: nil,
            subject: Self.subject)
        let listed = try #require(recorded.descriptors.first)
        #expect(listed.artifactType == MediaType.emptyConfig)
        let correct = Descriptor(
            mediaType: listed.mediaType, digest: listed.digest, size: listed.size,
            artifactType: MediaType.sigstoreBundle)
        let bytes = try #require(recorded.adding(correct))
        let index = try FallbackIndex(bytes: bytes, mediaType: nil, entityTag: nil, subject: Self.subject)
        #expect(index.descriptors == [correct])
    }

    @Test func `repeated digests are dropped after the first`() throws {
        let merged = try Self.text(
            Self.index([Self.foreign, Self.foreign]).adding(BundleReferrerTests.referrer(bundle: [1]).descriptor))
        #expect(merged.ranges(of: "9868e06d886b").count == 1)
    }

    @Test(arguments: [
        (
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(ManifestTests.config),"layers":[]}"#,
            MediaType.ociManifest
        ),
        (
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.dockerManifestList)","manifests":[]}"#,
            MediaType.dockerManifestList
        ),
        ("<html>sign in</html>", "text/html"), ("", MediaType.ociIndex),
        (#"{"schemaVersion":2,"manifests":{}}"#, MediaType.ociIndex),
    ])
    func `what is not an OCI index is never merged into`(text: String, mediaType: String) {
        #expect {
            try FallbackIndex(bytes: Array(text.utf8), mediaType: mediaType, entityTag: nil, subject: Self.subject)
        } throws: { ($0 as? OCIError)?.code == "registry.fallback_not_an_index" }
    }

    @Test func `the subject itself under the tag is not its referrers`() {
        let subject = ManifestTests.index([])
        #expect {
            try FallbackIndex(
                bytes: subject, mediaType: MediaType.ociIndex, entityTag: nil, subject: .sha256(of: subject))
        } throws: { ($0 as? OCIError)?.code == "registry.fallback_not_an_index" }
    }
}
