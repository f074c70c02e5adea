import FoundationEssentials
import OCI
import Testing

@Suite struct ManifestTests {
    static let config =
        #"{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#

    static func layer(_ mediaType: String = "application/vnd.oci.image.layer.v1.tar+gzip") -> String {
        #"{"mediaType":"\#(mediaType)","size":124,"digest":"sha256:9868e06d886b07d87a32635725a691b47c2a8776a2589108063b6b1caaeb8053"}"#
    }

    static func image(layers: [String] = [layer()], config: String = config, more: String = "") -> [UInt8] {
        Array(
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":\#(config),"layers":[\#(layers.joined(separator: ","))]\#(more)}"#
                .utf8)
    }

    static func index(_ entries: [String], mediaType: String = MediaType.ociIndex) -> [UInt8] {
        Array(#"{"schemaVersion":2,"mediaType":"\#(mediaType)","manifests":[\#(entries.joined(separator: ","))]}"#.utf8)
    }

    @Test func `a recorded image manifest is read and hashed`() throws {
        let bytes = try Fixture.cosign("image-manifest.json")
        let digest = try Digest("sha256:a52ae3765536be9947c95c9cf924abcff263cbd71a68feb0fbd938b8a8ad22b9")
        let manifest = try Manifest(bytes: bytes, mediaType: MediaType.ociManifest, expecting: digest)
        #expect(manifest.descriptor == Descriptor(mediaType: MediaType.ociManifest, digest: digest, size: 401))
        #expect(manifest.bytes == bytes)
        #expect(!manifest.isSignatureMaterial)
        #expect(manifest.subject == nil)
    }

    @Test func `other bytes than asked for are refused`() throws {
        var bytes = try Fixture.cosign("image-manifest.json")
        let digest = Digest.sha256(of: bytes)
        bytes.append(0x0A)
        #expect { try Manifest(bytes: bytes, mediaType: nil, expecting: digest) } throws: {
            ($0 as? OCIError)?.code == "registry.digest_mismatch"
        }
    }

    @Test(arguments: [MediaType.dockerManifest, MediaType.ociManifest])
    func `both image manifests are read, with or without a media type inside`(mediaType: String) throws {
        let bytes = Array(#"{"schemaVersion":2,"config":\#(Self.config),"layers":[\#(Self.layer())]}"#.utf8)
        let manifest = try Manifest(bytes: bytes, mediaType: "\(mediaType); charset=utf-8")
        #expect(manifest.descriptor.mediaType == mediaType)
    }

    @Test(arguments: [MediaType.dockerManifestList, MediaType.ociIndex])
    func `an index lists its children with their platforms`(mediaType: String) throws {
        let child =
            #"{"mediaType":"\#(MediaType.ociManifest)","size":1,"digest":"sha256:9868e06d886b07d87a32635725a691b47c2a8776a2589108063b6b1caaeb8053","platform":{"architecture":"arm64","os":"linux","variant":"v8"}}"#
        let attestation = child.replacing("arm64", with: "unknown").replacing("\"linux\"", with: "\"unknown\"")
        let manifest = try Manifest(bytes: Self.index([child, attestation], mediaType: mediaType), mediaType: nil)
        guard case .index(let index) = manifest.content else {
            Issue.record("not an index")
            return
        }
        #expect(index.manifests.map(\.isBuildKitAttestation) == [false, true])
        #expect(index.manifests[0].platform == .init(architecture: "arm64", os: "linux", variant: "v8"))
        #expect(MediaType.isIndex(manifest.descriptor.mediaType))
    }

    @Test func `an artifact of any type is an image manifest`() throws {
        let config =
            #"{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","data":"e30="}"#
        let bytes = Self.image(
            layers: [Self.layer("text/plain")], config: config,
            more: #","artifactType":"application/vnd.example.thing","annotations":{"a":"b"}"#)
        let manifest = try Manifest(bytes: bytes, mediaType: MediaType.ociManifest)
        #expect(manifest.artifactType == "application/vnd.example.thing")
        #expect(manifest.annotations == ["a": "b"])
        #expect(!manifest.isSignatureMaterial)
    }

    @Test(arguments: [
        // by its media type, by its version, and although its digest is never the hash of its bytes
        (MediaType.dockerSchema1Signed, #"{"schemaVersion":1,"fsLayers":[]}"#),
        (MediaType.dockerSchema1, "not even JSON"),
        ("application/json", #"{"schemaVersion":1,"fsLayers":[]}"#),
    ])
    func `Docker schema 1 is refused by name`(mediaType: String, text: String) throws {
        let expected = Digest.sha256(of: [1])
        #expect { try Manifest(bytes: Array(text.utf8), mediaType: mediaType, expecting: expected) } throws: { error in
            (error as? OCIError)?.code == "registry.unsupported_media_type" && "\(error)".contains("schema 1")
        }
    }

    @Test(arguments: [
        // not a manifest at all
        "", "[]", "null", "{}", #"{"schemaVersion":"2"}"#, #"{"schemaVersion":2}"#,
        // no media type anywhere
        #"{"schemaVersion":2,"config":{},"layers":[]}"#,
        // one thing under one media type and another under the next (CVE-2021-41190)
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":[],"manifests":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"config":{}}"#,
        // members missing or of the wrong kind
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config)}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":{}}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":["a"]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":"none"}"#,
        #"{"schemaVersion":2,"mediaType":7,"manifests":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":[],"annotations":{"a":1}}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":[],"subject":"sha256:00"}"#,
        // descriptors with lengths that are none
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a/b","size":-1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a/b","size":1e3,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a/b","size":99999999999999999999,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a/b","size":1},"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"size":1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#,
    ])
    func `a malformed manifest is refused`(text: String) {
        #expect { try Manifest(bytes: Array(text.utf8), mediaType: nil) } throws: {
            ($0 as? OCIError)?.code == "manifest.malformed"
        }
    }

    @Test func `served and written media type must agree`() throws {
        #expect { try Manifest(bytes: Self.image(), mediaType: MediaType.dockerManifest) } throws: {
            ($0 as? OCIError)?.code == "manifest.malformed"
        }
        #expect(
            try Manifest(bytes: Self.image(), mediaType: "application/json").descriptor.mediaType
                == MediaType.ociManifest)
    }

    @Test(arguments: [
        "application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json",
        "text/html",
    ])
    func `other manifests are unsupported, not malformed`(mediaType: String) {
        let bytes = Array(#"{"schemaVersion":2,"mediaType":"\#(mediaType)","blobs":[]}"#.utf8)
        #expect { try Manifest(bytes: bytes, mediaType: mediaType) } throws: {
            ($0 as? OCIError)?.code == "registry.unsupported_media_type"
        }
    }

    @Test func `size and number of entries are bounded`() throws {
        let entry = Self.layer()
        #expect(throws: Never.self) {
            try Manifest(bytes: Self.index(Array(repeating: entry, count: 1_000)), mediaType: nil)
        }
        for bytes in [
            Self.index(Array(repeating: entry, count: 1_001)),
            Self.image(layers: Array(repeating: entry, count: 1_001)),
            Self.image(more: String(repeating: " ", count: 4 << 20)),
        ] {
            #expect { try Manifest(bytes: bytes, mediaType: nil) } throws: {
                ($0 as? OCIError)?.code == "manifest.too_large"
            }
        }
    }

    @Test func `a manifest of more values than any has is refused before it is a tree`() {
        let zeros = String(repeating: "0,", count: 262_144) + "0"
        #expect {
            try Manifest(bytes: Self.image(more: #","x":[\#(zeros)]"#), mediaType: nil)
        } throws: { ($0 as? OCIError)?.code == "manifest.too_large" }
    }
}
