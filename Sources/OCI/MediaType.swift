/// The media types this module speaks, by the specifications' names.
public enum MediaType {
    /// An OCI image manifest.
    public static let ociManifest = "application/vnd.oci.image.manifest.v1+json"
    /// An OCI image index.
    public static let ociIndex = "application/vnd.oci.image.index.v1+json"
    /// A Docker schema 2 manifest.
    public static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    /// A Docker manifest list.
    public static let dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
    /// Docker schema 1: its digest is not the hash of its bytes, so it cannot be signed by digest. Refused by name.
    public static let dockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json"
    /// Docker schema 1 with an embedded signature.
    public static let dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"

    /// The config of an artifact that has none: the two bytes `{}` (image specification, "Guidance for an empty descriptor").
    public static let emptyConfig = "application/vnd.oci.empty.v1+json"
    /// The config of an OCI image; also of cosign's legacy signatures.
    public static let imageConfig = "application/vnd.oci.image.config.v1+json"
    static let dockerConfig = "application/vnd.docker.container.image.v1+json"
    /// A Sigstore bundle, version 0.3.
    public static let sigstoreBundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    /// Every version and both spellings (`bundle+json;version=0.3` is the old one) of a Sigstore bundle begin so.
    public static let sigstoreBundlePrefix = "application/vnd.dev.sigstore.bundle"

    /// The payload of cosign's legacy signatures.
    public static let cosignSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
    /// A DSSE envelope: cosign's legacy attestations.
    public static let dsseEnvelope = "application/vnd.dsse.envelope.v1+json"
    /// An in-toto statement.
    public static let inTotoStatement = "application/vnd.in-toto+json"
    /// A signature of Notary v2.
    public static let notationSignature = "application/vnd.cncf.notary.signature"
    /// An attestation manifest of BuildKit within an index.
    public static let buildKitAttestation = "application/vnd.docker.attestation.manifest.v1+json"

    /// Whether `mediaType` lists other manifests.
    public static func isIndex(_ mediaType: String) -> Bool {
        mediaType == ociIndex || mediaType == dockerManifestList
    }

    /// Whether `mediaType` is a manifest or an index this module reads.
    public static func isManifest(_ mediaType: String) -> Bool {
        mediaType == ociManifest || mediaType == dockerManifest || isIndex(mediaType)
    }

    /// Whether a config of this type lists its image's layers.
    static func isImageConfig(_ mediaType: String) -> Bool { mediaType == imageConfig || mediaType == dockerConfig }

    /// The `Accept` field of a manifest request. Schema 1 is absent on purpose: a registry that converts would
    /// otherwise hand out bytes whose digest nobody pushed.
    static let manifestAccept = [ociManifest, ociIndex, dockerManifest, dockerManifestList].joined(separator: ", ")

    /// Whether a manifest with this artifact or config type signs or attests something else.
    static func namesSignatureMaterial(_ mediaType: String) -> Bool {
        mediaType.hasPrefix(sigstoreBundlePrefix)
            || mediaType.hasPrefix("application/vnd.dev.cosign.")
            || mediaType == notationSignature
            || mediaType == buildKitAttestation
            || mediaType == dsseEnvelope
    }

    /// Whether a layer of this type is signature material: a bundle, a legacy cosign payload, a DSSE or in-toto document.
    package static func isSignatureLayer(_ mediaType: String) -> Bool {
        namesSignatureMaterial(mediaType) || mediaType == inTotoStatement
    }

    /// The layer types `cosign attach sbom` writes under an image config.
    static func isSBOMLayer(_ mediaType: String) -> Bool {
        switch mediaType {
        case "text/spdx", "text/spdx+json", "text/spdx+xml", "application/spdx+json",
            "application/vnd.cyclonedx", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+xml",
            "application/vnd.syft+json":
            true
        default: false
        }
    }
}
