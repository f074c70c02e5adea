import FoundationEssentials
import OCI
import Support
import Testing

@Suite struct BundleReferrerTests {
    static let signPredicate = "https://sigstore.dev/cosign/sign/v1"

    @Test func `our manifest is cosign's, field by field, without its stray config type`() throws {
        let recorded = try Fixture.cosign("referrer-manifest.json")
        let image = try Manifest(bytes: Fixture.cosign("image-manifest.json"), mediaType: nil)
        let referrer = BundleReferrer.render(
            bundle: try Fixture.cosign("bundle.json"), subject: image.descriptor, predicateType: Self.signPredicate,
            created: try Date("2026-11-23T19:19:58Z", strategy: .iso8601))
        let expected = String(decoding: recorded, as: UTF8.self)
            .replacing(
                #","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"},"layers""#, with: #"},"layers""#)
        #expect(String(decoding: referrer.manifest, as: UTF8.self) == expected)
    }

    @Test func `the descriptor carries what a listing should show`() throws {
        let referrer = Self.referrer(bundle: [1, 2, 3])
        let manifest = try Manifest(bytes: referrer.manifest, mediaType: nil)
        #expect(manifest.descriptor.digest == referrer.descriptor.digest)
        #expect(manifest.artifactType == referrer.descriptor.artifactType)
        #expect(manifest.annotations == referrer.descriptor.annotations)
        #expect(manifest.subject == referrer.subject)
        #expect(manifest.isSignatureMaterial)
    }

    @Test func `rendering twice gives the same bytes, another second other bytes`() {
        #expect(Self.referrer(bundle: [1]) == Self.referrer(bundle: [1]))
        #expect(
            Self.referrer(bundle: [1], at: 0).descriptor.digest != Self.referrer(bundle: [1], at: 1).descriptor.digest)
        #expect(Self.referrer(bundle: [1], at: 0) == Self.referrer(bundle: [1], at: 0.9))
    }

    @Test func `the subject keeps its own media type and loses what an index said of it`() throws {
        let listed = Descriptor(
            mediaType: MediaType.dockerManifestList, digest: .sha256(of: [7]), size: 7, annotations: ["a": "b"],
            platform: .init(architecture: "amd64", os: "linux"))
        let referrer = BundleReferrer.render(
            bundle: [], subject: listed, predicateType: "p", created: Date(timeIntervalSince1970: 0))
        #expect(
            referrer.subject == Descriptor(mediaType: MediaType.dockerManifestList, digest: .sha256(of: [7]), size: 7))
    }

    /// Every bundle referrer that was recorded from the real cosign, rendered anew from its own facts.
    @Test(.enabled(if: Fixture.recorded != nil, "the recorded material is not here (../shared)"))
    func `every recorded cosign referrer is rendered byte for byte`()
        throws
    {
        let blobs = try Self.recordedBlobs()
        var compared = 0
        for manifest in try Self.recordedReferrers() {
            let text = String(decoding: manifest.bytes, as: UTF8.self)
            guard let subject = manifest.subject,
                let created = manifest.annotations["org.opencontainers.image.created"],
                let predicateType = manifest.annotations["dev.sigstore.bundle.predicateType"],
                case .image(let image) = manifest.content, let layer = image.layers.first
            else { continue }
            let content = FileManager.default.contents(atPath: try #require(blobs[layer.digest.hex]))
            let bundle = [UInt8](try #require(content))
            let referrer = BundleReferrer.render(
                bundle: bundle, subject: subject, predicateType: predicateType,
                created: try Date(created, strategy: .iso8601))
            let expected = text.replacing(
                #","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"},"layers""#, with: #"},"layers""#)
            #expect(String(decoding: referrer.manifest, as: UTF8.self) == expected)
            compared += 1
        }
        #expect(compared >= 20)
    }

    static func referrer(bundle: [UInt8], at seconds: Double = 1_795_461_596) -> BundleReferrer {
        BundleReferrer.render(
            bundle: bundle, subject: Descriptor(mediaType: MediaType.ociManifest, digest: .sha256(of: [9]), size: 1),
            predicateType: signPredicate, created: Date(timeIntervalSince1970: seconds))
    }

    private static func recordedReferrers() throws -> [Manifest] {
        var manifests: [Manifest] = []
        for path in try recordedBlobs().values {
            guard let content = FileManager.default.contents(atPath: path), content.count < 4096,
                let manifest = try? Manifest(bytes: [UInt8](content), mediaType: nil),
                manifest.artifactType == MediaType.sigstoreBundle
            else { continue }
            manifests.append(manifest)
        }
        return manifests
    }

    /// Path by hexadecimal digest, over the layouts of every scenario.
    private static func recordedBlobs() throws -> [String: String] {
        let root = try #require(Fixture.recorded)
        var blobs: [String: String] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: root) where path.contains("/blobs/sha256/") {
            blobs[String(path.suffix(64))] = "\(root)/\(path)"
        }
        return blobs
    }
}
