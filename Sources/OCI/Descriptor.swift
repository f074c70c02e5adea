import StrictJSON

/// A content descriptor (OCI image specification, "OCI Content Descriptors"): what, how long, and its digest.
public struct Descriptor: Codable, Hashable, Sendable {
    /// The platform an index entry is for.
    public struct Platform: Codable, Hashable, Sendable {
        /// The CPU, as Go names it: `amd64`, `arm64`.
        public let architecture: String
        /// The operating system, as Go names it: `linux`.
        public let os: String
        /// The variant of the CPU: `v8`.
        public let variant: String?

        /// A platform of these parts.
        public init(architecture: String, os: String, variant: String? = nil) {
            self.architecture = architecture
            self.os = os
            self.variant = variant
        }
    }

    /// The media type of the content described.
    public let mediaType: String
    /// The digest of the content.
    public let digest: Digest
    /// The length of the content in bytes.
    public let size: Int
    /// The type of the artifact, when the content is a manifest.
    public let artifactType: String?
    /// Arbitrary metadata; in a referrers listing the annotations of the manifest described.
    public let annotations: [String: String]?
    /// For which machines the content is.
    public let platform: Platform?

    /// A descriptor of these parts; nothing is checked.
    public init(
        mediaType: String, digest: Digest, size: Int, artifactType: String? = nil, annotations: [String: String]? = nil,
        platform: Platform? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.artifactType = artifactType
        self.annotations = annotations
        self.platform = platform
    }

    /// Whether this entry is a BuildKit attestation: platform `unknown/unknown`, not an image anyone runs.
    public var isBuildKitAttestation: Bool {
        (platform?.os == "unknown" && platform?.architecture == "unknown")
            || annotations?["vnd.docker.reference.type"] == "attestation-manifest"
    }

    /// The members in the order Go's clients write them; annotations sorted, so that equal descriptors are equal bytes.
    var json: JSONValue {
        var object: JSONObject = [
            "mediaType": .string(mediaType),
            "size": .number("\(size)"),
            "digest": .string("\(digest)"),
        ]
        if let annotations { object["annotations"] = .sortedStrings(annotations) }
        if let platform {
            var parts: JSONObject = ["architecture": .string(platform.architecture), "os": .string(platform.os)]
            parts["variant"] = platform.variant.map(JSONValue.string)
            object["platform"] = .object(parts)
        }
        object["artifactType"] = artifactType.map(JSONValue.string)
        return .object(object)
    }
}

extension JSONValue {
    /// An object of strings, sorted by name.
    static func sortedStrings(_ values: [String: String]) -> JSONValue {
        .object(JSONObject(values.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
    }
}
