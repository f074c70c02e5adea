/// What signers put into a registry. A service that signs on push must not sign these, or it answers its own
/// signatures for ever.
extension Manifest {
    /// Whether this manifest is a signature, an attestation or an attached SBOM, by anyone.
    ///
    /// Recognised: Sigstore bundles, cosign's legacy signatures (simple signing), DSSE and in-toto attestations,
    /// `cosign attach sbom`, Notation, BuildKit attestations, and an index that lists nothing else. An image is
    /// taken for one only if *all* its layers are: a stray layer type must not exempt an image from being signed.
    /// Our own referrers are among them by construction.
    public var isSignatureMaterial: Bool {
        switch content {
        case .image(let image): image.isSignatureMaterial
        case .index(let index): index.isSignatureMaterial
        }
    }
}

extension ImageManifest {
    var isSignatureMaterial: Bool {
        if MediaType.namesSignatureMaterial(artifactType ?? config.mediaType) { return true }
        guard !layers.isEmpty else { return false }
        if layers.allSatisfy({ MediaType.isSignatureLayer($0.mediaType) }) { return true }
        // `cosign attach sbom` writes an image config with rootless content; an SBOM pushed as an artifact of its
        // own type is a legitimate subject.
        let hasImageConfig = artifactType == nil && config.mediaType == MediaType.imageConfig
        return hasImageConfig && layers.allSatisfy { MediaType.isSBOMLayer($0.mediaType) }
    }
}

extension ImageIndex {
    var isSignatureMaterial: Bool {
        if let artifactType, MediaType.namesSignatureMaterial(artifactType) { return true }
        return !manifests.isEmpty
            && manifests.allSatisfy { $0.artifactType.map(MediaType.namesSignatureMaterial) ?? false }
    }
}

/// Tags that belong to signers: the referrers tag schema (`sha256-<hex>`) and cosign's legacy tags.
public enum SignatureTag {
    /// Whether `tag` is `sha256-<12 to 64 hex>` with an optional `.sig`, `.att` or `.sbom`, or `sha512-<128 hex>`
    /// cut at the specification's 64 characters.
    public static func matches(_ tag: String) -> Bool {
        guard let dash = tag.firstIndex(of: "-"), ["sha256", "sha512"].contains(tag[..<dash]) else { return false }
        let rest = tag[tag.index(after: dash)...]
        let hex = rest.prefix { $0 != "." }
        guard (12...64).contains(hex.utf8.count), hex.utf8.allSatisfy(\.isLowercaseHex) else { return false }
        return ["", ".sig", ".att", ".sbom"].contains(rest[hex.endIndex...])
    }

    /// The tag of a subject's fallback index (distribution specification, "Referrers Tag Schema"): the algorithm cut
    /// at 32 characters, a hyphen, and the hexadecimal part cut at 64.
    public static func fallback(for subject: Digest) -> String {
        "\(subject.algorithm.rawValue)-\(subject.hex.prefix(64))"
    }
}
