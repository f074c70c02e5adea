import Curl
import FoundationEssentials
import OCI
import Support

/// Things to sign, each unlike any other.
extension SigningLine {
    /// A single image.
    func image(tag: String = "v1", mediaType: String = MediaType.ociManifest) async throws -> Manifest {
        let isDocker = mediaType == MediaType.dockerManifest
        let config = Array(#"{"architecture":"amd64","os":"linux","seed":"\#(UUID())"}"#.utf8)
        let layer = Array("layer".utf8)
        let configDigest = try await pusher.pushBlob(repository.name, config)
        let layerDigest = try await pusher.pushBlob(repository.name, layer)
        let configType =
            isDocker
            ? "application/vnd.docker.container.image.v1+json" : "application/vnd.oci.image.config.v1+json"
        let layerType =
            isDocker ? "application/vnd.docker.image.rootfs.diff.tar.gzip" : "application/vnd.oci.image.layer.v1.tar"
        return try await put(
            """
            {"schemaVersion":2,"mediaType":"\(mediaType)",\
            "config":{"mediaType":"\(configType)","size":\(config.count),"digest":"\(configDigest)"},\
            "layers":[{"mediaType":"\(layerType)","size":\(layer.count),"digest":"\(layerDigest)"}]}
            """, mediaType, .tag(tag))
    }

    /// An arbitrary artifact, as Helm or ORAS push them.
    func artifact() async throws -> Manifest {
        let config = Array("{}".utf8)
        let content = Array("chart \(UUID())".utf8)
        let configDigest = try await pusher.pushBlob(repository.name, config)
        let digest = try await pusher.pushBlob(repository.name, content)
        return try await put(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","artifactType":"application/vnd.example.chart",\
            "config":{"mediaType":"\(MediaType.emptyConfig)","size":2,"digest":"\(configDigest)"},\
            "layers":[{"mediaType":"application/vnd.example.content","size":\(content.count),"digest":"\(digest)"}]}
            """, MediaType.ociManifest, .tag("chart"))
    }

    /// A multi-arch index of two images and a BuildKit attestation.
    func index() async throws -> (index: Manifest, images: [Manifest], attestation: Manifest) {
        let images = [try await image(tag: "amd64"), try await image(tag: "arm64")]
        let attestation = try await image(tag: "attestation")
        func entry(_ manifest: Manifest, _ os: String, _ architecture: String) -> String {
            """
            {"mediaType":"\(manifest.descriptor.mediaType)","size":\(manifest.bytes.count),\
            "digest":"\(manifest.descriptor.digest)","platform":{"os":"\(os)","architecture":"\(architecture)"}}
            """
        }
        let entries = [
            entry(images[0], "linux", "amd64"), entry(images[1], "linux", "arm64"),
            entry(attestation, "unknown", "unknown"),
        ]
        let index = try await put(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[\(entries.joined(separator: ","))]}
            """, MediaType.ociIndex, .tag("multi"))
        return (index, images, attestation)
    }

    /// Pushes it again, by its tag.
    @discardableResult
    func put(_ manifest: Manifest) async throws -> Manifest {
        try await put(String(decoding: manifest.bytes, as: UTF8.self), manifest.descriptor.mediaType, .tag("v1"))
    }

    func put(_ text: String, _ mediaType: String, _ name: ManifestName) async throws -> Manifest {
        let pushed = try await pusher.pushManifest(
            repository.name, bytes: Array(text.utf8), mediaType: mediaType, reference: name)
        return try await pusher.manifest(repository.name, pushed.digest)
    }

    /// Pushes referrers and lists them, in this order and in place of what was listed, as anybody may who may push.
    /// - Parameter size: what is said of each; nil: what it has.
    func list(_ referrers: [[UInt8]], sized size: Int? = nil, beside image: Manifest) async throws {
        _ = try await pusher.pushBlob(repository.name, Array("{}".utf8))
        var entries: [String] = []
        for referrer in referrers {
            let pushed = try await pusher.pushManifest(
                repository.name, bytes: referrer, mediaType: MediaType.ociManifest, reference: .digest)
            entries.append(
                """
                {"mediaType":"\(MediaType.ociManifest)","size":\(size ?? referrer.count),"digest":"\(pushed.digest)"}
                """)
        }
        _ = try await put(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[\(entries.joined(separator: ","))]}
            """, MediaType.ociIndex, .tag(SignatureTag.fallback(for: image.descriptor.digest)))
    }

    /// Copies an image into another repository.
    func copy(_ image: Manifest, to other: SigningLine) async throws {
        guard case .image(let content) = image.content else { throw SupportError("not an image") }
        for blob in [content.config] + content.layers {
            let bytes = try await pusher.blob(repository.name, blob.digest, limit: blob.size)
            _ = try await other.pusher.pushBlob(other.repository.name, bytes)
        }
        try await other.put(image)
    }

    /// Deletes a manifest or a blob, as an operator or a retention rule would.
    func delete(_ digest: OCI.Digest, _ kind: String = "manifests") async throws {
        let answer = try await Self.http.send(
            HTTPRequest(.delete, "\(registry.url)/v2/\(repository.name)/\(kind)/\(digest)", route: Self.route))
        guard answer.status == 202 else { throw SupportError("not deleted: \(answer.status)") }
    }
}
