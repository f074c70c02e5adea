public import FoundationEssentials
import StrictJSON

/// The OCI manifest that attaches a document of its own media type to its subject: an artifact whose only layer it is.
public struct DocumentReferrer: Sendable, Equatable {
    /// The manifest's exact bytes, a function of the arguments.
    public let manifest: [UInt8]
    /// The manifest as a referrers listing should show it.
    public let descriptor: Descriptor
    /// What it is attached to.
    public let subject: Descriptor

    /// - Parameter document: the blob; its media type becomes the artifact type.
    public init(document: Descriptor, subject: Descriptor, created: Date) {
        let config = Descriptor(
            mediaType: MediaType.emptyConfig, digest: .sha256(of: BundleReferrer.emptyBlob),
            size: BundleReferrer.emptyBlob.count)
        let annotations = ["org.opencontainers.image.created": created.formatted(.iso8601)]
        self.subject = Descriptor(mediaType: subject.mediaType, digest: subject.digest, size: subject.size)
        manifest =
            JSONValue.object([
                "schemaVersion": .number("2"), "mediaType": .string(MediaType.ociManifest),
                "artifactType": .string(document.mediaType), "config": config.json,
                "layers": .array([
                    Descriptor(mediaType: document.mediaType, digest: document.digest, size: document.size).json
                ]),
                "subject": self.subject.json, "annotations": .sortedStrings(annotations),
            ]).encoded()
        descriptor = Descriptor(
            mediaType: MediaType.ociManifest, digest: .sha256(of: manifest), size: manifest.count,
            artifactType: document.mediaType, annotations: annotations)
    }
}
