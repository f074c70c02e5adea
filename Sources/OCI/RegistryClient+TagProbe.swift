import StrictJSON

/// What became of a scratch tag that was written twice.
public struct TagProbe: Sendable {
    /// The tag: of the form of a fallback index's, of a digest that nothing has.
    public let tag: String
    /// The manifests that were stored for it, and stay until somebody deletes them.
    public let manifests: [Digest]
    /// Whether the registry served the second manifest after it was put; or what it said to it.
    public let isReplaced: Result<Bool, OCIError>
}

extension RegistryClient {
    /// Whether a tag of ours can be replaced, by doing it: puts two small manifests under one scratch tag, one after the
    /// other, and looks which of them is served. Fallback indexes and legacy signatures need that; registries with immutable
    /// tags refuse it.
    ///
    /// The manifests are the same each time, an empty config and nothing else. A registry client deletes nothing: what stays
    /// is in the answer.
    /// - Parameter subject: names the tag; a digest that nothing has.
    /// - Throws: if not even the first could be put.
    public func probeTagReplacement(_ name: String, subject: Digest) async throws(OCIError) -> TagProbe {
        let tag = SignatureTag.fallback(for: subject)
        let (first, second) = (Self.scratchManifest("first"), Self.scratchManifest("second"))
        try await pushEmptyBlob(name)
        var manifests = [try await put(first, under: tag, in: name)]
        do throws(OCIError) {
            let after = try await put(second, under: tag, in: name)
            manifests.append(after)
            let served = try await resolve(name, tag: tag).descriptor.digest
            return TagProbe(tag: tag, manifests: manifests, isReplaced: .success(served == after))
        } catch {
            return TagProbe(tag: tag, manifests: manifests, isReplaced: .failure(error))
        }
    }

    private func put(_ manifest: [UInt8], under tag: String, in name: String) async throws(OCIError) -> Digest {
        try await pushManifest(name, bytes: manifest, mediaType: MediaType.ociManifest, reference: .tag(tag)).digest
    }

    private static func scratchManifest(_ which: String) -> [UInt8] {
        let empty = Descriptor(
            mediaType: MediaType.emptyConfig, digest: .sha256(of: BundleReferrer.emptyBlob),
            size: BundleReferrer.emptyBlob.count)
        return JSONValue.object([
            "schemaVersion": .number("2"), "mediaType": .string(MediaType.ociManifest),
            "artifactType": .string("application/vnd.dev.countersign.scratch"), "config": empty.json,
            "layers": .array([empty.json]),
            "annotations": .sortedStrings(["dev.countersign/scratch": which]),
        ]).encoded()
    }
}
