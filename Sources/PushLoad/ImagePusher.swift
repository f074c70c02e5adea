import Curl
import FoundationEssentials
import OCI
import OpenSSL

/// Pushes small, distinct, valid images through the distribution API.
struct ImagePusher: Sendable {
    let registry: RegistryClient
    /// The registry's name as it stands in references (`host:port`).
    let registryName: String

    init(registry name: String, http: HTTPClient) throws {
        registryName = name
        let route = HTTPRoute.loopback
        registry = RegistryClient(
            try RegistryEndpoint(name: name, url: "http://\(name)", route: route), http: http)
    }

    /// One pushed manifest: its digest, the reference it can be asked by, and when the registry answered 201.
    struct Pushed: Sendable {
        let repository: String
        let reference: String
        let digest: Digest
        let acceptedAt: Date
    }

    /// An OCI image whose configuration carries random bytes, so that no two have the same digest.
    func pushImage(_ repository: String, tags: [String], architecture: String = "amd64") async throws -> Pushed {
        let layer = Array("countersign sample layer of \(repository)\n".utf8)
        let layerDigest = try await registry.pushBlob(repository, layer)
        let config = Array(
            """
            {"architecture":"\(architecture)","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["\(layerDigest)"]},"nonce":"\(nonce())"}
            """.utf8)
        let configDigest = try await registry.pushBlob(repository, config)
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\(configDigest)","size":\(config.count)},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\(layerDigest)","size":\(layer.count)}]}
            """.utf8)
        return try await push(repository, manifest, MediaType.ociManifest, tags: tags)
    }

    /// A multi-architecture index over two images that are pushed by digest first, as real clients do.
    func pushIndex(_ repository: String, tag: String) async throws -> Pushed {
        var entries: [String] = []
        for architecture in ["amd64", "arm64"] {
            let child = try await pushImage(repository, tags: [], architecture: architecture)
            let size = try await registry.manifest(repository, child.digest).bytes.count
            entries.append(
                #"{"mediaType":"\#(MediaType.ociManifest)","digest":"\#(child.digest)","size":\#(size),"platform":{"architecture":"\#(architecture)","os":"linux"}}"#
            )
        }
        let index = Array(
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[\#(entries.joined(separator: ","))]}"#
                .utf8)
        return try await push(repository, index, MediaType.ociIndex, tags: [tag])
    }

    /// An OCI artifact that is not an image: empty configuration, own artifact type (a Helm-like document).
    func pushArtifact(_ repository: String, tag: String) async throws -> Pushed {
        let empty = try await registry.pushBlob(repository, Array("{}".utf8))
        let document = Array("kind: Sample\nnonce: \(nonce())\n".utf8)
        let digest = try await registry.pushBlob(repository, document)
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","artifactType":"application/vnd.example.sample.v1","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"\(empty)","size":2},"layers":[{"mediaType":"application/yaml","digest":"\(digest)","size":\(document.count)}]}
            """.utf8)
        return try await push(repository, manifest, MediaType.ociManifest, tags: [tag])
    }

    private func push(_ repository: String, _ bytes: [UInt8], _ mediaType: String, tags: [String]) async throws
        -> Pushed
    {
        let digest = Digest.sha256(of: bytes)
        if tags.isEmpty {
            _ = try await registry.pushManifest(repository, bytes: bytes, mediaType: mediaType, reference: .digest)
        }
        var accepted = Date()
        for (position, tag) in tags.enumerated() {
            _ = try await registry.pushManifest(repository, bytes: bytes, mediaType: mediaType, reference: .tag(tag))
            if position == 0 { accepted = Date() }
        }
        let name = tags.first.map { "\(registryName)/\(repository):\($0)" } ?? "\(registryName)/\(repository)@\(digest)"
        return Pushed(repository: repository, reference: name, digest: digest, acceptedAt: accepted)
    }

    private func nonce() -> String { UUID().uuidString }
}

extension HTTPRoute {
    /// A part of the demo: plain HTTP on this machine.
    static var loopback: HTTPRoute {
        var route = HTTPRoute()
        route.allowPlainHTTP = true
        route.addresses = .privateAllowed
        route.proxy = .none
        return route
    }
}
