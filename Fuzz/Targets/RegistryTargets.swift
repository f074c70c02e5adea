#if DEBUG || FUZZING
    @testable import OCI

    extension FuzzTarget {
        /// What a registry, or whoever names an image, sends.
        static let registry = [
            FuzzTarget(name: "manifest") { bytes in
                for mediaType in [nil, MediaType.ociManifest, MediaType.ociIndex] {
                    guard let manifest = try? Manifest(bytes: bytes, mediaType: mediaType) else { continue }
                    promise(manifest.bytes == bytes, "a manifest keeps its bytes")
                    promise(manifest.descriptor.digest == .sha256(of: bytes), "a manifest is named by its bytes")
                    _ = manifest.isSignatureMaterial
                    _ = manifest.subject
                }
            },
            FuzzTarget(name: "reference") { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                guard let reference = try? Reference(text) else { return }
                promise(
                    (try? Reference(reference.description)) == reference, "a reference reads back as it was written")
            },
            FuzzTarget(name: "challenge") { bytes in
                guard let challenges = try? Challenge.parse(String(decoding: bytes, as: UTF8.self)) else { return }
                promise(!challenges.isEmpty, "a challenge that parsed names a scheme")
                promise(challenges.allSatisfy { $0.scheme == $0.scheme.lowercased() }, "schemes are lower case")
            },
            FuzzTarget(name: "docker-config") { bytes in _ = try? DockerConfig(json: bytes) },
        ]
    }
#endif
