import StrictJSON

/// The index under a referrers fallback tag (distribution specification, "Referrers Tag Schema"), as it was read.
///
/// It belongs to everyone who attaches something to the subject. So what other clients wrote stays as they wrote it,
/// member for member, and what is not such an index is never written over.
struct FallbackIndex: Sendable {
    /// The most referrers of one subject.
    static let entryLimit = 10_000

    let descriptors: [Descriptor]
    /// For a conditional write; `nil` when the tag did not exist or the registry gave none.
    let entityTag: String?
    private let document: JSONValue
    /// One for each member of `manifests`, in their order; `nil`: of a digest algorithm that we do not know, and left alone.
    private let entries: [Descriptor?]

    /// The index of a tag that does not exist yet.
    static let empty = FallbackIndex(
        entries: [], entityTag: nil,
        document: .object([
            "schemaVersion": .number("2"),
            "mediaType": .string(MediaType.ociIndex),
            "manifests": .array([]),
        ]))

    private init(entries: [Descriptor?], entityTag: String?, document: JSONValue) {
        self.entries = entries
        descriptors = entries.compactMap { $0 }
        self.entityTag = entityTag
        self.document = document
    }

    /// Reads what the tag holds.
    /// - Throws: `fallbackNotAnIndex` for anything but an OCI index other than the subject itself: a registry may read
    ///   the tag `sha256-<hex>` as the digest and serve the subject (GitLab does, oras-go#1396).
    init(
        bytes: [UInt8], mediaType: String?, entityTag: String?, subject: Digest
    ) throws(OCIError) {
        let tag = SignatureTag.fallback(for: subject)
        guard !subject.matches(bytes) else {
            throw .fallbackNotAnIndex(tag: tag, saw: "the subject itself")
        }
        let manifest: Manifest
        do {
            manifest = try Manifest(
                bytes: bytes, mediaType: mediaType, expecting: nil, entryLimit: Self.entryLimit, passesOverForeign: true
            )
        } catch .tooLarge(let what, let limit, let unit) {
            throw .tooLarge(what: what, limit: limit, unit: unit)
        } catch {
            throw .fallbackNotAnIndex(tag: tag, saw: "\(error)")
        }
        guard case .index = manifest.content, manifest.descriptor.mediaType == MediaType.ociIndex,
            let document = try? JSONValue(parsing: bytes),
            let entries = try? document.descriptors(
                "manifests", in: "index", limit: Self.entryLimit, passesOverForeign: true)
        else { throw .fallbackNotAnIndex(tag: tag, saw: manifest.descriptor.mediaType) }
        self.init(entries: entries, entityTag: entityTag, document: document)
    }

    /// The bytes of this index without these referrers, or `nil` when it has none of them.
    func removing(_ gone: Set<Digest>) -> [UInt8]? {
        guard case .object(var object) = document, case .array(let values) = document["manifests"] ?? .array([]),
            descriptors.contains(where: { gone.contains($0.digest) })
        else { return nil }
        object["manifests"] = .array(
            zip(values, entries).filter { entry in !(entry.1.map { gone.contains($0.digest) } ?? false) }.map(\.0))
        return JSONValue.object(object).encoded()
    }

    /// The bytes of this index with `entry` in it, or `nil` when it already is, exactly so and once.
    ///
    /// An entry of the same digest is corrected in its place (other clients list bundles under the config's type and
    /// without annotations); repeated digests are dropped after the first, and so are those in `gone`.
    func adding(_ entry: Descriptor, without gone: Set<Digest> = []) -> [UInt8]? {
        guard case .object(var object) = document, case .array(let values) = document["manifests"] ?? .array([]) else {
            return nil
        }
        var seen: Set<Digest> = []
        var merged: [JSONValue] = []
        for (value, descriptor) in zip(values, entries) {
            guard let descriptor else {
                merged.append(value)
                continue
            }
            guard !gone.contains(descriptor.digest), seen.insert(descriptor.digest).inserted else { continue }
            merged.append(descriptor.digest == entry.digest && descriptor != entry ? entry.json : value)
        }
        if !seen.contains(entry.digest) { merged.append(entry.json) }
        guard merged != values else { return nil }
        object["manifests"] = .array(merged)
        return JSONValue.object(object).encoded()
    }
}
