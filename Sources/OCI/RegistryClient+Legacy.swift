internal import Curl

extension RegistryClient {
    /// The most bytes of a config image that is read to be extended.
    private static let configLimit = 1 << 20

    /// Attaches a legacy signature or attestation: reads the tag, adds the layer to those of others, writes, and reads
    /// again until the layer is there (eight cosigns at once lose five layers).
    ///
    /// The caller holds the lease of the subject. Safe to repeat: a layer that is there is not added again.
    /// - Parameters:
    ///   - name: the repository's name on this registry: the image's, or the one where signatures are kept.
    ///   - superseded: blobs of ours whose layers the new one replaces.
    /// - Throws: `legacyTagNotSignatures` when the tag holds something else, `tooLarge` when cosign would read none of the
    ///   layers any more, `legacyTagContended` after the last round.
    @discardableResult
    public func attach(
        _ layer: LegacyLayer, _ kind: LegacyKind, to subject: Digest, in name: String,
        superseding superseded: Set<Digest> = []
    ) async throws(OCIError) -> LegacyAttachment {
        let tag = try SignatureTag.legacy(kind, for: subject)
        var payload = [layer.payload]
        let present = try await rewriting(
            tag, .legacyPut, in: name,
            read: { () async throws(OCIError) -> LegacyManifest in try await legacyManifest(name, tag) },
            change: { (present, _) async throws(OCIError) -> Rewritten? in
                try present.mayGrow(tag)
                let config = try await legacyConfig(of: present, name)
                guard let next = try present.adding(layer, config: config, without: superseded) else { return nil }
                defer { payload = [] }  // once is enough
                return Rewritten(
                    manifest: next.manifest, mediaType: present.mediaType, entityTag: present.entityTag,
                    blobs: payload + (next.configBytes.map { [$0] } ?? []))
            }
        ).held
        guard let digest = present.digest else { throw .manifestMalformed("legacy manifest: no layers") }
        return LegacyAttachment(tag: tag, manifest: digest)
    }

    /// Takes layers of ours out of a legacy tag, by the same reading, changing and writing as ``attach(_:_:to:in:superseding:)``.
    /// Their blobs stay, and so does the tag, with whatever layers it has left: nothing is deleted. The caller holds the
    /// lease of the subject.
    /// - Parameter layers: each as ``LegacyLayer/encoded()`` gave it.
    /// - Throws: `legacyTagContended` after the last round; `manifestMalformed` for what is no kept layer.
    public func dropLegacyLayers(
        _ layers: [[UInt8]], _ kind: LegacyKind, of subject: Digest, in name: String
    ) async throws(OCIError) {
        guard !layers.isEmpty else { return }
        let gone = try layers.map { (json) throws(OCIError) in try LegacyLayer.descriptor(json: json) }
        let tag = try SignatureTag.legacy(kind, for: subject)
        _ = try await rewriting(
            tag, .legacyPut, in: name,
            read: { () async throws(OCIError) -> LegacyManifest in try await legacyManifest(name, tag) },
            change: { (present, _) async throws(OCIError) -> Rewritten? in
                let config = try await legacyConfig(of: present, name)
                guard let next = try present.removing(gone, config: config) else { return nil }
                return Rewritten(
                    manifest: next.manifest, mediaType: present.mediaType, entityTag: present.entityTag,
                    blobs: next.configBytes.map { [$0] } ?? [])
            })
    }

    /// Where the layer is served, or nil if the registry says that the tag or the layer is not there (any more). Two
    /// requests: the manifest, and the blob, compared.
    public func isAttached(
        _ layer: LegacyLayer, _ kind: LegacyKind, to subject: Digest, in name: String
    ) async throws(OCIError) -> LegacyAttachment? {
        let tag = try SignatureTag.legacy(kind, for: subject)
        let present = try await legacyManifest(name, tag)
        guard let digest = present.digest, present.layers.contains(where: layer.isServed) else { return nil }
        do {
            _ = try await blob(name, layer.descriptor.digest, limit: max(layer.payload.count, 1))
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return nil
        }
        return LegacyAttachment(tag: tag, manifest: digest)
    }

    /// The layers under a legacy tag, anybody's, in their order; empty when the registry says that there is no such tag.
    /// Their blobs are fetched one by one with ``blob(_:_:limit:)``.
    /// - Throws: `legacyTagNotSignatures` also where ``attach(_:_:to:in:superseding:)`` would: whoever wants to add one is told
    ///   before it is made.
    public func legacyLayers(
        _ kind: LegacyKind, of subject: Digest, in name: String
    ) async throws(OCIError) -> [Descriptor] {
        let tag = try SignatureTag.legacy(kind, for: subject)
        let present = try await legacyManifest(name, tag)
        try present.mayGrow(tag)
        return present.layers
    }

    /// The same to read alone, with the manifest that holds them: also layers of types that are nobody's signatures, where
    /// their annotations say that they are. nil when the registry says that there is no such tag.
    public func legacyListing(
        _ kind: LegacyKind, of subject: Digest, in name: String
    ) async throws(OCIError) -> (manifest: Digest, layers: [Descriptor])? {
        let present = try await legacyManifest(name, SignatureTag.legacy(kind, for: subject))
        return present.digest.map { (manifest: $0, layers: present.layers) }
    }

    /// What the tag holds, or the empty manifest when the registry itself says that it does not exist.
    private func legacyManifest(_ name: String, _ tag: String) async throws(OCIError) -> LegacyManifest {
        let response: HTTPResponse
        do {
            response = try await manifestAnswer(.legacyGet, name, tag)
        } catch .notFound(let answer) where answer.isRegistrysOwn {
            return .empty  // a proxy's 404 page is an outage: writing over the tag would lose everybody's signatures
        }
        return try LegacyManifest(
            bytes: response.body, served: response.headers["Content-Type"], entityTag: response.headers["ETag"],
            tag: tag)
    }

    /// The config that an added layer must be entered in; nil when there is none, or none that is an image's.
    private func legacyConfig(of present: LegacyManifest, _ name: String) async throws(OCIError) -> [UInt8]? {
        guard let config = present.config, MediaType.isImageConfig(config.mediaType), config.size <= Self.configLimit
        else { return nil }
        do { return try await blob(name, config.digest, limit: config.size) } catch {
            switch error {
            case .notFound, .digestMismatch, .tooLarge: return nil
            default: throw error
            }
        }
    }
}
