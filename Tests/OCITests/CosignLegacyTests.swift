import Foundation
import OCI
import OpenSSL
import Support
import Testing

/// The real cosign beside us under one `.sig` tag, in the real `docker-registry`.
@Suite(
    .enabled(
        if: RealRegistry.program != nil && Cosign.program != nil,
        "docker-registry or cosign is not here (scripts/clients)"))
struct CosignLegacyTests {
    let registry: RealRegistry
    let client: RegistryClient
    let folder: TemporaryDirectory
    let image: Manifest
    let key: PrivateKey

    init() async throws {
        registry = try await RealRegistry()
        client = try registry.client()
        folder = try TemporaryDirectory()
        image = try await RealRegistryTests.push("legacy", with: client, to: "team/app")
        key = try PrivateKey.generate(.ecdsaP256)
        try folder.write(key.publicKey.pem, to: "ours.pub")
        for name in ["theirs", "more"] {
            try await run(["generate-key-pair", "--output-key-prefix", "\(folder.path)/\(name)"])
        }
    }

    private var reference: String { "\(registry.host)/team/app@\(image.descriptor.digest)" }

    @discardableResult
    private func run(_ arguments: [String]) async throws -> String {
        try await ChildProcess(
            ["/usr/bin/env", "COSIGN_PASSWORD=", "COSIGN_YES=true", "HOME=\(folder.path)", Cosign.program ?? "cosign"]
                + arguments
        ).finish()
    }

    private func sign(_ key: String = "theirs") async throws {
        try await run([
            "sign", "--key", "\(folder.path)/\(key).key", "--new-bundle-format=false", "--use-signing-config=false",
            "--tlog-upload=false", "--allow-http-registry", reference,
        ])
    }

    private func verify(_ key: String) async throws -> String {
        try await run([
            "verify", "--key", "\(folder.path)/\(key).pub", "--new-bundle-format=false", "--insecure-ignore-tlog",
            "--allow-http-registry", reference,
        ])
    }

    private func ours() throws -> LegacyLayer {
        let payload = Array(
            #"{"critical":{"identity":{"docker-reference":"x/team/app"},"image":{"docker-manifest-digest":"\#(image.descriptor.digest)"},"type":"cosign container image signature"},"optional":null}"#
                .utf8)
        return LegacyLayer(
            mediaType: MediaType.cosignSimpleSigning, payload: payload,
            annotations: ["dev.cosignproject.cosign/signature": OpenSSL.Base64.encode(try key.sign(payload))])
    }

    @Test func `cosign before us, us, and cosign again: all three signatures stay and verify`() async throws {
        try await sign()
        #expect(try await verify("theirs").contains("docker-manifest-digest"))
        let layer = try ours()
        try await client.attach(layer, .signature, to: image.descriptor.digest, in: "team/app")
        #expect(try await verify("theirs").contains("docker-manifest-digest"))
        #expect(try await verify("ours").contains("docker-manifest-digest"))

        try await sign("more")  // the same key again would add nothing
        for key in ["theirs", "ours", "more"] {
            #expect(try await verify(key).contains("docker-manifest-digest"))
        }
        let layers = try await client.legacyLayers(.signature, of: image.descriptor.digest, in: "team/app")
        #expect(layers.count == 3)
        let still = try await client.isAttached(layer, .signature, to: image.descriptor.digest, in: "team/app")
        #expect(still != nil)
        try await registry.stop()
    }

    @Test func `with us first cosign appends, and reads both`() async throws {
        try await client.attach(ours(), .signature, to: image.descriptor.digest, in: "team/app")
        #expect(try await verify("ours").contains("docker-manifest-digest"))
        await #expect(throws: (any Error).self) { try await verify("theirs") }
        try await sign()
        #expect(try await verify("ours").contains("docker-manifest-digest"))
        #expect(try await verify("theirs").contains("docker-manifest-digest"))
        try await registry.stop()
    }
}

/// The real one, where `scripts/clients` put it.
enum Cosign {
    static let program: String? = {
        let path = packageRoot + "/.clients/root/usr/bin/cosign"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()
}
