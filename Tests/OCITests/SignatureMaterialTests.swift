import OCI
import Testing

@Suite struct SignatureMaterialTests {
    static func config(_ mediaType: String) -> String {
        #"{"mediaType":"\#(mediaType)","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#
    }

    static let imageConfig = config("application/vnd.oci.image.config.v1+json")

    static let material: [(String, [UInt8])] = [
        (
            "a bundle, new spelling",
            ManifestTests.image(
                layers: [ManifestTests.layer(MediaType.sigstoreBundle)], config: config(MediaType.emptyConfig))
        ),
        (
            "a bundle, old spelling",
            ManifestTests.image(
                layers: [ManifestTests.layer("application/vnd.dev.sigstore.bundle+json;version=0.3")],
                config: config(MediaType.emptyConfig))
        ),
        (
            "a bundle by its artifact type",
            ManifestTests.image(
                layers: [], config: config(MediaType.emptyConfig),
                more: #","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json""#)
        ),
        (
            "legacy .sig, two signatures",
            ManifestTests.image(
                layers: [
                    ManifestTests.layer(MediaType.cosignSimpleSigning),
                    ManifestTests.layer(MediaType.cosignSimpleSigning),
                ], config: imageConfig)
        ),
        (
            "legacy .att",
            ManifestTests.image(layers: [ManifestTests.layer(MediaType.dsseEnvelope)], config: imageConfig)
        ),
        ("legacy .sbom", ManifestTests.image(layers: [ManifestTests.layer("text/spdx+json")], config: imageConfig)),
        (
            "legacy signature as a referrer",
            ManifestTests.image(
                layers: [ManifestTests.layer("text/plain")],
                config: config("application/vnd.dev.cosign.artifact.sig.v1+json"))
        ),
        (
            "Notation",
            ManifestTests.image(
                layers: [ManifestTests.layer("application/jose+json")], config: config(MediaType.notationSignature))
        ),
        (
            "BuildKit attestation",
            ManifestTests.image(layers: [ManifestTests.layer(MediaType.inTotoStatement)], config: imageConfig)
        ),
    ]

    static let subjects: [(String, [UInt8])] = [
        ("an image", ManifestTests.image()),
        ("an image without layers", ManifestTests.image(layers: [])),
        (
            "an image with one stray signature layer",
            ManifestTests.image(layers: [ManifestTests.layer(), ManifestTests.layer(MediaType.cosignSimpleSigning)])
        ),
        (
            "an SBOM pushed as an artifact of its own",
            ManifestTests.image(
                layers: [ManifestTests.layer("text/spdx+json")], config: config(MediaType.emptyConfig),
                more: #","artifactType":"application/vnd.example.sbom""#)
        ),
        (
            "a chart",
            ManifestTests.image(
                layers: [ManifestTests.layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
                config: config("application/vnd.cncf.helm.config.v1+json"))
        ),
        ("an empty index", ManifestTests.index([])),
        ("an index of images", ManifestTests.index([ManifestTests.layer(MediaType.ociManifest)])),
    ]

    @Test(arguments: material) func `signature material is recognised`(what: String, bytes: [UInt8]) throws {
        #expect(try Manifest(bytes: bytes, mediaType: nil).isSignatureMaterial)
    }

    @Test(arguments: subjects) func `a subject is not taken for a signature`(what: String, bytes: [UInt8]) throws {
        #expect(try !Manifest(bytes: bytes, mediaType: nil).isSignatureMaterial)
    }

    @Test func `what cosign recorded is recognised`() throws {
        #expect(try Manifest(bytes: Fixture.cosign("referrer-manifest.json"), mediaType: nil).isSignatureMaterial)
    }

    @Test(arguments: [
        "sha256-a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9",
        "sha256-a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9.sig",
        "sha256-a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9.att",
        "sha256-a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9.sbom",
        "sha256-a52ae3765536", "sha512-a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9",
    ])
    func `signers' tags are recognised`(tag: String) {
        #expect(SignatureTag.matches(tag))
    }

    @Test(arguments: [
        "latest", "sha256", "sha256-", "sha256-a52ae376553", "sha256-A52AE3765536", "sha256-a52ae376553g",
        "sha1-a52ae3765536",
        "sha256-a52ae3765536.txt", "sha256-a52ae3765536.sig.sig", "sha256-a52ae3765536.", "v-sha256-a52ae3765536",
        "sha256-a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9f",
    ])
    func `an ordinary tag is not a signer's`(tag: String) {
        #expect(!SignatureTag.matches(tag))
    }

    @Test func `the fallback tag follows the referrers tag schema`() throws {
        #expect(
            SignatureTag.fallback(for: try Digest(DigestTests.hello))
                == "sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
        let long = try Digest("sha512:" + String(repeating: "ab", count: 64))
        #expect(SignatureTag.fallback(for: long) == "sha512-" + String(repeating: "ab", count: 32))
    }
}
