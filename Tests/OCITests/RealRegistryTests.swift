import Curl
import Foundation
import OCI
import Support
import Testing

/// Against the real `docker-registry` (distribution 2.8, no referrers API).
@Suite(.enabled(if: RealRegistry.program != nil, "docker-registry is not installed")) struct RealRegistryTests {
    static func push(_ seed: String, with client: RegistryClient, to name: String) async throws -> Manifest {
        let config = Array(#"{"architecture":"amd64","os":"linux","seed":"\#(seed)"}"#.utf8)
        let layer = Array("layer \(seed)".utf8)
        let configDigest = try await client.pushBlob(name, config)
        let layerDigest = try await client.pushBlob(name, layer)
        let text =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociManifest)","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":\#(config.count),"digest":"\#(configDigest)"},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":\#(layer.count),"digest":"\#(layerDigest)"}]}"#
        let pushed = try await client.pushManifest(
            name, bytes: Array(text.utf8), mediaType: MediaType.ociManifest, reference: .tag("v1"))
        return try await client.manifest(name, pushed.digest)
    }

    static func signOnce(_ image: Manifest, with client: RegistryClient, in name: String, salt: Int) async throws -> Int
    {
        let bundle = Array(#"{"mediaType":"\#(MediaType.sigstoreBundle)","salt":\#(salt)}"#.utf8)
        let before = client.requestCount
        let image = try await client.manifest(name, image.descriptor.digest)
        let referrer = BundleReferrer.render(
            bundle: bundle, subject: image.descriptor, predicateType: BundleReferrerTests.signPredicate,
            created: Date(timeIntervalSince1970: 1_795_461_596))
        let attachment = try await client.attach(referrer, bundle: bundle, to: name)
        #expect(try await client.readBack(attachment, from: name) == bundle)
        return client.requestCount - before
    }

    @Test func `a signature is attached, listed and read back in eight requests`() async throws {
        let registry = try await RealRegistry()
        let client = try registry.client()
        let image = try await Self.push("a", with: client, to: "team/app")
        #expect(try await client.resolve("team/app", tag: "v1").descriptor == image.descriptor)

        let counts = [
            try await Self.signOnce(image, with: client, in: "team/app", salt: 1),
            try await Self.signOnce(image, with: client, in: "team/app", salt: 2),
        ]
        #expect(counts == [11, 8])
        let found = try await client.bundles("team/app", of: image.descriptor.digest)
        #expect(found.bundles.count == 2)
        #expect(found.bundles.flatMap(\.carriers).allSatisfy { $0.manifest.artifactType == MediaType.sigstoreBundle })
        #expect(try await client.tags("team/app").count == 2)
        try await registry.stop()
    }

    @Test func `its answers have the right codes`() async throws {
        let registry = try await RealRegistry()
        let client = try registry.client()
        await #expect { try await client.manifest("none", .sha256(of: [])) } throws: {
            ($0 as? OCIError)?.code == "registry.not_found"
        }
        await #expect { try await client.blob("none", .sha256(of: []), limit: 1) } throws: {
            ($0 as? OCIError)?.code == "registry.not_found"
        }
        #expect(try await client.referrers("none", of: .sha256(of: [])) == .fallback(index: [], exists: false))
        let dangling = BundleReferrerTests.referrer(bundle: [1])
        await #expect {
            try await client.pushManifest(
                "app", bytes: dangling.manifest, mediaType: MediaType.ociManifest, reference: .digest)
        } throws: { ($0 as? OCIError)?.code == "registry.blob_unknown" }
        try await registry.stop()
    }

    @Test func `a password is asked for and accepted`() async throws {
        let registry = try await RealRegistry(
            htpasswd: "robot:$2b$04$F5reYH9kriQjqOrO8UUeSeMedhESHl/2AxPbN969A0NYAxs/QRaDe")
        await #expect { try await registry.client().ping() } throws: {
            ($0 as? OCIError)?.code == "registry.unauthorized"
        }
        let wrong = try registry.client(credentials: .basic(username: "robot", password: .init("nope")))
        await #expect { try await wrong.ping() } throws: { ($0 as? OCIError)?.code == "registry.unauthorized" }
        let client = try registry.client(credentials: .basic(username: "robot", password: .init("s3cret")))
        let image = try await Self.push("b", with: client, to: "app")
        #expect(try await Self.signOnce(image, with: client, in: "app", salt: 1) == 11)
        try await registry.stop()
    }
}
