public import FoundationEssentials
import StrictJSON

/// The OCI manifest that attaches a Sigstore bundle to its subject.
///
/// The rendering is a function of its arguments, byte for byte: an attempt that is repeated after a crash pushes the
/// same digest, not a second signature. So `created` is the bundle's own time (timestamp or log), never the clock.
public struct BundleReferrer: Sendable, Equatable {
    /// The manifest's exact bytes.
    public let manifest: [UInt8]
    /// The manifest's descriptor as a referrers listing should show it: with artifact type and annotations.
    public let descriptor: Descriptor
    /// The bundle's descriptor, the manifest's only layer.
    public let bundle: Descriptor
    /// What the manifest is attached to.
    public let subject: Descriptor

    /// The config of a manifest that has none.
    static let emptyBlob = Array("{}".utf8)

    /// Renders the manifest in the member order of cosign 3, without its stray `config.artifactType`.
    /// - Parameters:
    ///   - bundle: the bundle's JSON, exactly as it will be pushed.
    ///   - subject: the manifest signed, with its own media type and size.
    ///   - predicateType: the predicate type of the statement in the bundle.
    ///   - created: written in whole seconds of UTC.
    public static func render(
        bundle: [UInt8], subject: Descriptor, predicateType: String, created: Date
    ) -> BundleReferrer {
        render(
            digest: .sha256(of: bundle), size: bundle.count, subject: subject, predicateType: predicateType,
            created: created)
    }

    /// The same for a bundle that is not held in memory, by its digest and size.
    public static func render(
        digest: Digest, size: Int, subject: Descriptor, predicateType: String, created: Date
    ) -> BundleReferrer {
        let layer = Descriptor(mediaType: MediaType.sigstoreBundle, digest: digest, size: size)
        let config = Descriptor(
            mediaType: MediaType.emptyConfig, digest: .sha256(of: emptyBlob), size: emptyBlob.count)
        let annotations = [
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicateType,
            "org.opencontainers.image.created": created.formatted(.iso8601),
        ]
        // The subject is what it is, not how some index listed it: no annotations, no platform.
        let subject = Descriptor(mediaType: subject.mediaType, digest: subject.digest, size: subject.size)
        let document: JSONValue = .object([
            "schemaVersion": .number("2"),
            "mediaType": .string(MediaType.ociManifest),
            "config": config.json,
            "layers": .array([layer.json]),
            "annotations": .sortedStrings(annotations),
            "subject": subject.json,
            "artifactType": .string(MediaType.sigstoreBundle),
        ])
        let manifest = document.encoded()
        return BundleReferrer(
            manifest: manifest,
            descriptor: Descriptor(
                mediaType: MediaType.ociManifest, digest: .sha256(of: manifest), size: manifest.count,
                artifactType: MediaType.sigstoreBundle, annotations: annotations),
            bundle: layer, subject: subject)
    }
}
