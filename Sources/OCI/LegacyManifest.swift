import StrictJSON

/// The image manifest under one of cosign's legacy tags, as it was read.
///
/// It belongs to everyone who signs the image: one layer a signature, appended by reading, changing and writing. So what
/// others wrote stays as they wrote it, member for member, and what is not such a manifest is never written over.
struct LegacyManifest: Sendable {
    /// The most layers that cosign reads (`maxLayers`); with one more it reads none of them.
    static let layerLimit = 1_000

    let layers: [Descriptor]
    /// nil for a tag that does not exist yet.
    let config: Descriptor?
    /// An OCI image manifest, or Docker schema 2 (`COSIGN_DOCKER_MEDIA_TYPES`).
    let mediaType: String
    /// nil for a tag that does not exist yet.
    let digest: Digest?
    /// For a conditional write; nil when the registry gave none.
    let entityTag: String?
    private let document: JSONObject

    /// The manifest of a tag that does not exist yet, in cosign's order of members.
    static let empty = LegacyManifest(
        layers: [], config: nil, mediaType: MediaType.ociManifest, digest: nil, entityTag: nil,
        document: [
            "schemaVersion": .number("2"), "mediaType": .string(MediaType.ociManifest), "config": .null,
            "layers": .array([]),
        ])

    private init(
        layers: [Descriptor], config: Descriptor?, mediaType: String, digest: Digest?, entityTag: String?,
        document: JSONObject
    ) {
        self.layers = layers
        self.config = config
        self.mediaType = mediaType
        self.digest = digest
        self.entityTag = entityTag
        self.document = document
    }

    /// Reads what the tag holds.
    /// - Throws: `legacyTagNotSignatures` for anything but an image manifest with signatures in it;
    ///   `tooLarge` beyond ``layerLimit``.
    init(bytes: [UInt8], served mediaType: String?, entityTag: String?, tag: String) throws(OCIError) {
        let manifest: Manifest
        do {
            manifest = try Manifest(bytes: bytes, mediaType: mediaType, expecting: nil, entryLimit: Self.layerLimit)
        } catch .tooLarge(let what, let limit, let unit) {
            throw .tooLarge(what: "\(tag): \(what)", limit: limit, unit: unit)
        } catch {
            throw .legacyTagNotSignatures(tag: tag, saw: "\(error)")
        }
        guard case .image(let image) = manifest.content, case .object(let document) = try? JSONValue(parsing: bytes)
        else { throw .legacyTagNotSignatures(tag: tag, saw: manifest.descriptor.mediaType) }
        // cosign looks at no layer's type; one stray layer among signatures is nobody's image
        if let foreign = image.layers.first, !image.layers.contains(where: \.isLegacySignature) {
            throw .legacyTagNotSignatures(tag: tag, saw: "layers of type \(foreign.mediaType)")
        }
        self.init(
            layers: image.layers, config: image.config, mediaType: manifest.descriptor.mediaType,
            digest: manifest.descriptor.digest, entityTag: entityTag, document: document)
    }

    /// Asked before anything is written: a tag whose layers are signatures by their annotations alone is read, but it is not
    /// ours to grow.
    /// - Throws: `legacyTagNotSignatures` if no layer has a type of signatures.
    func mayGrow(_ tag: String) throws(OCIError) {
        guard let foreign = layers.first, !layers.contains(where: { MediaType.isSignatureLayer($0.mediaType) }) else {
            return
        }
        throw .legacyTagNotSignatures(tag: tag, saw: "layers of type \(foreign.mediaType)")
    }

    /// The manifest with `layer` at its end, and the config that belongs to it; nil when the layer is there already and
    /// none of `superseded` is.
    ///
    /// - Parameters:
    ///   - config: the bytes of the present config, if it is an image's and could be read; anything else stays as it is,
    ///     since no verifier looks at it.
    ///   - superseded: layers of ours, by the digest of their blob, that the new one replaces.
    /// - Throws: `tooLarge` if cosign would refuse the result.
    func adding(
        _ layer: LegacyLayer, config bytes: [UInt8]?, without superseded: Set<Digest> = []
    ) throws(OCIError) -> (manifest: [UInt8], config: Descriptor, configBytes: [UInt8]?)? {
        guard case .array(let values) = document["layers"] ?? .array([]) else {
            throw .manifestMalformed("legacy manifest: no layers")
        }
        let isThere = layers.contains(where: layer.isServed)
        var kept: [(value: JSONValue, digest: Digest)] = []
        for (value, known) in zip(values, layers)
        where layer.isServed(as: known) || !superseded.contains(known.digest) { kept.append((value, known.digest)) }
        guard !isThere || kept.count < layers.count else { return nil }
        if !isThere { kept.append((layer.descriptor.json, layer.descriptor.digest)) }
        guard kept.count <= Self.layerLimit else {
            throw .tooLarge(what: "legacy signatures of one image", limit: Self.layerLimit, unit: "layers")
        }

        let (descriptor, image) = extended(config: bytes, with: kept.map(\.digest))
        var object = document
        object["config"] = descriptor == config ? document["config"] : descriptor.json
        object["layers"] = .array(kept.map(\.value))
        let manifest = JSONValue.object(object).encoded()
        guard manifest.count <= Manifest.byteLimit else {
            throw .tooLarge(what: "legacy signatures of one image", limit: Manifest.byteLimit, unit: "bytes")
        }
        return (manifest, descriptor, image)
    }

    /// The manifest without these layers, and the config that belongs to it; nil when it has none of them. What others
    /// wrote stays; without any layer left the manifest is empty, since nothing is ever deleted.
    func removing(
        _ gone: [Descriptor], config bytes: [UInt8]?
    ) throws(OCIError) -> (manifest: [UInt8], config: Descriptor, configBytes: [UInt8]?)? {
        guard case .array(let values) = document["layers"] ?? .array([]) else {
            throw .manifestMalformed("legacy manifest: no layers")
        }
        let kept = zip(values, layers).filter { pair in !gone.contains { $0.isServed(as: pair.1) } }
        guard kept.count < layers.count else { return nil }
        let (descriptor, image) = extended(config: bytes, with: kept.map(\.1.digest))
        var object = document
        object["config"] = descriptor == config ? document["config"] : descriptor.json
        object["layers"] = .array(kept.map(\.0))
        return (JSONValue.object(object).encoded(), descriptor, image)
    }

    /// The config image: for each layer its digest in `diff_ids` (they are not compressed) and a line in `history`.
    private func extended(config bytes: [UInt8]?, with digests: [Digest]) -> (Descriptor, [UInt8]?) {
        var document: JSONObject
        switch (config, bytes.flatMap { try? JSONValue(parsing: $0) }) {
        case (_?, .object(let theirs)?): document = theirs
        case (let theirs?, _): return (theirs, nil)
        case (nil, _):
            // as cosign writes it, member for member
            document = [
                "architecture": .string(""), "created": .string(Self.noTime), "history": .array([]), "os": .string(""),
                "rootfs": .object(["type": .string("layers"), "diff_ids": .array([])]), "config": .object([:]),
            ]
        }
        var rootfs: JSONObject = ["type": .string("layers")]
        if case .object(let theirs) = document["rootfs"] { rootfs = theirs }
        rootfs["diff_ids"] = .array(digests.map { .string("\($0)") })
        document["rootfs"] = .object(rootfs)
        var history: [JSONValue] = []
        if case .array(let theirs) = document["history"] { history = Array(theirs.prefix(digests.count)) }
        while history.count < digests.count { history.append(.object(["created": .string(Self.noTime)])) }
        document["history"] = .array(history)
        let image = JSONValue.object(document).encoded()
        let descriptor = Descriptor(
            mediaType: config?.mediaType ?? MediaType.imageConfig, digest: .sha256(of: image), size: image.count)
        return (descriptor, image)
    }

    /// Go's zero time: a legacy manifest says nothing of when.
    private static let noTime = "0001-01-01T00:00:00Z"
}
