import StrictJSON
import Support
import Testing

@testable import OCI

@Suite struct LegacyManifestTests {
    static let tag = "sha256-aa.sig"

    static func layer(_ signature: String = "MEUC", payload: String = "{}") -> LegacyLayer {
        LegacyLayer(
            mediaType: MediaType.cosignSimpleSigning, payload: Array(payload.utf8),
            annotations: ["dev.cosignproject.cosign/signature": signature])
    }

    static func read(_ text: String, as type: String? = MediaType.ociManifest) throws -> LegacyManifest {
        try LegacyManifest(bytes: Array(text.utf8), served: type, entityTag: nil, tag: tag)
    }

    static func text(_ bytes: [UInt8]?) throws -> String { String(decoding: try #require(bytes), as: UTF8.self) }

    /// cosign's own: its manifest, and the config that belongs to it.
    static func recorded() throws -> (manifest: LegacyManifest, config: [UInt8]) {
        (
            try LegacyManifest(
                bytes: Fixture.cosign("legacy-manifest.json"), served: MediaType.ociManifest, entityTag: nil, tag: tag),
            try Fixture.cosign("legacy-config.json")
        )
    }

    @Test func `the first signature's manifest and config are cosign's, byte for byte`() throws {
        let (theirs, config) = try Self.recorded()
        let annotations = try #require(theirs.layers.first?.annotations)
        let layer = LegacyLayer(
            mediaType: MediaType.cosignSimpleSigning, payload: try Fixture.cosign("legacy-payload.json"),
            annotations: annotations)
        let made = try #require(try LegacyManifest.empty.adding(layer, config: nil))
        #expect(made.configBytes == config)
        #expect(try Self.text(made.manifest) == Self.text(Fixture.cosign("legacy-manifest.json")))
    }

    @Test func `another's layer stays as it was written, and the config counts both`() throws {
        let (theirs, config) = try Self.recorded()
        let made = try #require(try theirs.adding(Self.layer(), config: config))
        let before = try #require(try JSONValue(parsing: Fixture.cosign("legacy-manifest.json"))["layers"])
        guard case .array(let old) = before, case .array(let new) = try JSONValue(parsing: made.manifest)["layers"]
        else { throw SupportError("no layers") }
        #expect(new.count == 2 && new.first?.encoded() == old.first?.encoded())
        let image = try JSONValue(parsing: try #require(made.configBytes))
        guard case .array(let ids) = image["rootfs"]?["diff_ids"], case .array(let history) = image["history"] else {
            throw SupportError("no diff_ids")
        }
        #expect(ids.last?.text == "\(Self.layer().descriptor.digest)" && ids.count == 2 && history.count == 2)
    }

    @Test func `members that we do not know stay, in manifest and config`() throws {
        let digest = Self.layer().descriptor.digest
        let present = try Self.read(
            """
            {"schemaVersion":2,"x-before":1.50,"mediaType":"\(MediaType.ociManifest)","config":\
            {"mediaType":"\(MediaType.imageConfig)","size":9,"digest":"\(digest)"},"layers":\
            [{"mediaType":"\(MediaType.cosignSimpleSigning)","size":2,"digest":"\(digest)","urls":["https://x/"]}],\
            "annotations":{"a":"b"}}
            """)
        let config = Array(
            #"{"created":"2020-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":["\#(digest)"],"y":1},"z":2.0}"#
                .utf8)
        let made = try #require(try present.adding(Self.layer(), config: config))
        let text = try Self.text(made.manifest)
        #expect(text.contains(#""x-before":1.50"#) && text.contains(#""urls":["https://x/"]"#))
        #expect(text.hasSuffix(#""annotations":{"a":"b"}}"#))
        let image = try Self.text(made.configBytes)
        #expect(image.hasPrefix(#"{"created":"2020-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":["#))
        #expect(image.contains(#""y":1"#) && image.contains(#""z":2.0"#))
    }

    @Test func `a layer that is there is not added again, and another signature over the same payload is`() throws {
        let (theirs, config) = try Self.recorded()
        let first = try #require(try theirs.adding(Self.layer(), config: config))
        let present = try LegacyManifest(bytes: first.manifest, served: nil, entityTag: nil, tag: Self.tag)
        #expect(try present.adding(Self.layer(), config: nil) == nil)
        let second = try #require(try present.adding(Self.layer("other"), config: first.configBytes))
        let both = try LegacyManifest(bytes: second.manifest, served: nil, entityTag: nil, tag: Self.tag)
        #expect(both.layers.count == 3)
    }

    @Test func `a layer whose signature somebody changed is not taken for ours`() throws {
        let made = try #require(try LegacyManifest.empty.adding(Self.layer("changed"), config: nil))
        let present = try LegacyManifest(bytes: made.manifest, served: nil, entityTag: nil, tag: Self.tag)
        #expect(try present.adding(Self.layer(), config: made.configBytes) != nil)
    }

    @Test func `a superseded layer of ours goes, others stay`() throws {
        let old = Self.layer(payload: "old")
        let one = try #require(try LegacyManifest.empty.adding(Self.layer("theirs", payload: "theirs"), config: nil))
        let two = try #require(
            try LegacyManifest(bytes: one.manifest, served: nil, entityTag: nil, tag: Self.tag)
                .adding(old, config: one.configBytes))
        let present = try LegacyManifest(bytes: two.manifest, served: nil, entityTag: nil, tag: Self.tag)
        let new = Self.layer(payload: "new")
        let made = try #require(
            try present.adding(new, config: two.configBytes, without: [old.descriptor.digest]))
        let layers = try LegacyManifest(bytes: made.manifest, served: nil, entityTag: nil, tag: Self.tag).layers
        #expect(layers.map(\.digest) == [.sha256(of: Array("theirs".utf8)), new.descriptor.digest])
    }

    @Test func `a Docker schema 2 manifest stays one`() throws {
        let digest = Self.layer().descriptor.digest
        let present = try Self.read(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.dockerManifest)","config":\
            {"mediaType":"\(MediaType.dockerConfig)","size":2,"digest":"\(digest)"},"layers":\
            [{"mediaType":"\(MediaType.cosignSimpleSigning)","size":2,"digest":"\(digest)"}]}
            """, as: MediaType.dockerManifest)
        let made = try #require(try present.adding(Self.layer(), config: Array("{}".utf8)))
        let manifest = try LegacyManifest(bytes: made.manifest, served: nil, entityTag: nil, tag: Self.tag)
        #expect(manifest.mediaType == MediaType.dockerManifest)
        #expect(manifest.config?.mediaType == MediaType.dockerConfig)
        #expect(try Self.text(made.configBytes).contains("diff_ids"))
    }

    @Test func `a config that is no image's stays as it is`() throws {
        let digest = Self.layer().descriptor.digest
        let present = try Self.read(
            """
            {"schemaVersion":2,"config":{"mediaType":"\(MediaType.emptyConfig)","size":2,"digest":"\(digest)","data":"e30="},\
            "layers":[]}
            """)
        let made = try #require(try present.adding(Self.layer(), config: nil))
        #expect(made.configBytes == nil)
        #expect(try Self.text(made.manifest).contains(#""data":"e30=""#))
    }

    @Test(arguments: [
        (#"{"schemaVersion":2,"manifests":[]}"#, MediaType.ociIndex), ("<html>sign in</html>", "text/html"),
        ("", MediaType.ociManifest), (#"{"schemaVersion":1}"#, MediaType.dockerSchema1),
        (#"{"schemaVersion":2,"config":\#(ManifestTests.config),"layers":{}}"#, MediaType.ociManifest),
        (String(decoding: ManifestTests.image(), as: UTF8.self), MediaType.ociManifest),
    ])
    func `what holds no signatures is never merged into`(text: String, type: String) {
        #expect { try Self.read(text, as: type) } throws: {
            ($0 as? OCIError)?.code == "registry.legacy_tag_not_signatures"
        }
    }

    @Test func `beyond cosign's thousand layers nothing is added`() throws {
        let entry =
            #"{"mediaType":"\#(MediaType.cosignSimpleSigning)","size":2,"digest":"\#(Self.layer().descriptor.digest)"}"#
        func manifest(_ count: Int) -> String {
            let layers = [String](repeating: entry, count: count).joined(separator: ",")
            return #"{"schemaVersion":2,"config":\#(ManifestTests.config),"layers":[\#(layers)]}"#
        }
        #expect(try Self.read(manifest(999)).adding(Self.layer(), config: nil) != nil)
        #expect { try Self.read(manifest(1000)).adding(Self.layer(), config: nil) } throws: {
            ($0 as? OCIError)?.code == "manifest.too_large"
        }
        #expect { try Self.read(manifest(1001)) } throws: { ($0 as? OCIError)?.code == "manifest.too_large" }
    }

    @Test func `a sha512 subject has no legacy tag`() throws {
        #expect(throws: OCIError.self) { try SignatureTag.legacy(.signature, for: .computed(.sha512, of: [])) }
        let tag = try SignatureTag.legacy(.attestation, for: .sha256(of: []))
        #expect(tag == "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.att")
    }

    @Test func `a kept layer is read back as it was, and only with its payload`() throws {
        let layer = Self.layer(payload: "signed")
        #expect(try LegacyLayer(json: layer.encoded(), payload: layer.payload) == layer)
        #expect(throws: OCIError.self) { try LegacyLayer(json: layer.encoded(), payload: [1]) }
        #expect(throws: OCIError.self) { try LegacyLayer(json: [1], payload: layer.payload) }
    }
}
