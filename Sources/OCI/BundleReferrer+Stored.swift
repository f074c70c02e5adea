extension BundleReferrer {
    /// A referrer whose manifest was rendered before and kept: pushed again it is the same bytes under the same digest,
    /// whatever this version of the code would render today.
    /// - Parameters:
    ///   - manifest: the exact bytes that were kept.
    ///   - bundle: the bundle's JSON, which must be the manifest's only layer.
    /// - Throws: `manifestMalformed` if the bytes are not the manifest of that bundle.
    public init(manifest bytes: [UInt8], bundle: [UInt8]) throws(OCIError) {
        try self.init(manifest: bytes, digest: .sha256(of: bundle), size: bundle.count)
    }

    /// The same for a bundle that is not held in memory, by its digest and size.
    public init(manifest bytes: [UInt8], digest: Digest, size: Int) throws(OCIError) {
        let kept = try Manifest(bytes: bytes, mediaType: MediaType.ociManifest)
        guard case .image(let image) = kept.content, let subject = image.subject, let layer = image.layers.first,
            image.layers.count == 1, layer.digest == digest, layer.size == size
        else { throw .manifestMalformed("kept referrer manifest: not the manifest of its bundle") }
        self.init(
            manifest: bytes,
            descriptor: Descriptor(
                mediaType: kept.descriptor.mediaType, digest: kept.descriptor.digest, size: bytes.count,
                artifactType: image.artifactType ?? MediaType.sigstoreBundle, annotations: image.annotations),
            bundle: layer, subject: subject)
    }
}
