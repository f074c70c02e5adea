import StrictJSON

/// A manifest as a registry served it: its bytes, the descriptor computed from them, and what they say.
///
/// The initialiser is the only door: whoever holds a `Manifest` holds bytes that hash to `descriptor.digest`.
public struct Manifest: Sendable {
    /// What a manifest is, after its media type.
    public enum Content: Sendable {
        /// An OCI image manifest or Docker schema 2 manifest: an image, or any artifact.
        case image(ImageManifest)
        /// An OCI index or Docker manifest list.
        case index(ImageIndex)
    }

    /// The longest manifest read: 4 MiB, the distribution specification's recommendation.
    public static let byteLimit = 4 << 20
    /// The most layers of a manifest and the most entries of an index.
    public static let entryLimit = 1_000
    /// The most values of its JSON: 10,000 entries of a fallback index have a hundred thousand.
    static let valueLimit = 1 << 18

    /// Media type, digest and size of ``bytes``; what a referrer's `subject` has to say.
    public let descriptor: Descriptor
    /// The exact bytes.
    public let bytes: [UInt8]
    /// What the bytes say.
    public let content: Content

    /// The digests of the same bytes under the other algorithms: a registry may serve it by these names, too.
    public var otherDigests: [Digest] {
        Digest.Algorithm.allCases.filter { $0 != descriptor.digest.algorithm }.map { .computed($0, of: bytes) }
    }

    /// Reads a manifest.
    /// - Parameters:
    ///   - bytes: as served.
    ///   - mediaType: the `Content-Type` the registry gave, if any; its parameters are ignored. Media types of no
    ///     meaning here (`application/json`) give way to the one inside the manifest.
    ///   - expecting: the digest asked for. The bytes are hashed under its algorithm; without it, under SHA-256.
    /// - Throws: `digestMismatch`, `tooLarge`, `unsupportedMediaType` (also for Docker schema 1, by name) or
    ///   `manifestMalformed`. What does not hash to the digest asked for is never used; it is looked into only to say
    ///   that it is Docker schema 1, whose digest is not the hash of what is served.
    public init(bytes: [UInt8], mediaType: String?, expecting: Digest? = nil) throws(OCIError) {
        try self.init(bytes: bytes, mediaType: mediaType, expecting: expecting, entryLimit: Self.entryLimit)
    }

    /// - Parameter passesOverForeign: whether an index may have entries of digest algorithms that we do not know; they are
    ///   left out.
    init(
        bytes: [UInt8], mediaType: String?, expecting: Digest?, entryLimit: Int, passesOverForeign: Bool = false
    ) throws(OCIError) {
        guard bytes.count <= Self.byteLimit else {
            throw .tooLarge(what: "manifest", limit: Self.byteLimit, unit: "bytes")
        }
        let servedType = mediaType.map(Self.essence)
        if let servedType, servedType == MediaType.dockerSchema1 || servedType == MediaType.dockerSchema1Signed {
            throw .unsupportedMediaType("Docker schema 1 (\(servedType))")
        }
        let digest = Digest.computed(expecting?.algorithm ?? .sha256, of: bytes)
        let limits = JSONLimits(maxValues: Self.valueLimit)
        let parsed = Result { () throws(JSONError) in try JSONValue(parsing: bytes, limits: limits) }
        if let expecting, expecting != digest {
            if case .success(let document) = parsed, document["schemaVersion"]?.integer == 1 {
                throw .unsupportedMediaType("Docker schema 1 (schemaVersion 1)")
            }
            throw .digestMismatch(expected: expecting, actual: digest)
        }
        let document: JSONValue
        do { document = try parsed.get() } catch {
            guard !error.isOfTooManyValues else {
                throw .tooLarge(what: "manifest", limit: Self.valueLimit, unit: "values")
            }
            throw .manifestMalformed("manifest: \(error)")
        }
        let type = try Self.mediaType(of: document, served: servedType)
        self.content =
            MediaType.isIndex(type)
            ? .index(try ImageIndex(json: document, entryLimit: entryLimit, passesOverForeign: passesOverForeign))
            : .image(try ImageManifest(json: document, entryLimit: entryLimit))
        self.bytes = bytes
        self.descriptor = Descriptor(mediaType: type, digest: digest, size: bytes.count)
    }

    /// Which of the four kinds this is.
    ///
    /// A manifest that means one thing under one media type and another under the next is the confusion of
    /// CVE-2021-41190: the served type must agree with the one inside, and an image must not list manifests.
    private static func mediaType(of document: JSONValue, served servedType: String?) throws(OCIError) -> String {
        guard case .object = document else { throw .manifestMalformed("manifest: not a JSON object") }
        guard let version = document["schemaVersion"]?.integer else {
            throw .manifestMalformed("manifest: no schemaVersion")
        }
        if version == 1 { throw .unsupportedMediaType("Docker schema 1 (schemaVersion 1)") }
        guard version == 2 else { throw .unsupportedMediaType("schemaVersion \(version)") }

        let inner = try document.mediaType("mediaType", in: "manifest")
        if let inner, let servedType, MediaType.isManifest(servedType), inner != servedType {
            throw .manifestMalformed("manifest: served as \(servedType), but calls itself \(inner)")
        }
        guard let type = inner ?? servedType else { throw .manifestMalformed("manifest: no media type") }
        guard MediaType.isManifest(type) else { throw .unsupportedMediaType(type) }
        let foreign = MediaType.isIndex(type) ? ["layers", "config"] : ["manifests"]
        if let name = foreign.first(where: { document[$0] != nil }) {
            throw .manifestMalformed("manifest: \(type) with \(name)")
        }
        return type
    }

    /// A media type without parameters, lowercase.
    private static func essence(_ contentType: String) -> String {
        let type = contentType.prefix { $0 != ";" }
        return String(type.filter { $0 != " " && $0 != "\t" }).lowercased()
    }

    /// The manifest this one refers to, when it is a referrer.
    public var subject: Descriptor? {
        switch content {
        case .image(let image): image.subject
        case .index(let index): index.subject
        }
    }

    /// The artifact's type as the referrers API would list it: `artifactType`, else the config's media type.
    public var artifactType: String? {
        switch content {
        case .image(let image): image.artifactType ?? image.config.mediaType
        case .index(let index): index.artifactType
        }
    }

    /// The manifest's annotations; empty when it has none.
    public var annotations: [String: String] {
        switch content {
        case .image(let image): image.annotations ?? [:]
        case .index(let index): index.annotations ?? [:]
        }
    }
}

/// The content of an OCI image manifest (image specification, "Image Manifest") or a Docker schema 2 manifest.
public struct ImageManifest: Sendable, Equatable {
    /// The config blob.
    public let config: Descriptor
    /// The layers, the base first.
    public let layers: [Descriptor]
    /// The manifest that this one refers to: it is a referrer of that.
    public let subject: Descriptor?
    /// What the artifact is, where it is none to run.
    public let artifactType: String?
    /// Its annotations; nil where the field is absent.
    public let annotations: [String: String]?

    init(json: JSONValue, entryLimit: Int) throws(OCIError) {
        guard let config = try json.descriptor("config", in: "manifest") else {
            throw .manifestMalformed("manifest: no config")
        }
        self.config = config
        self.layers = try json.descriptors("layers", in: "manifest", limit: entryLimit).compactMap { $0 }
        self.subject = try json.descriptor("subject", in: "manifest")
        self.artifactType = try json.mediaType("artifactType", in: "manifest")
        self.annotations = try json.annotations(in: "manifest")
    }
}

/// The content of an OCI index (image specification, "Image Index") or a Docker manifest list.
public struct ImageIndex: Sendable, Equatable {
    /// The entries, in their order.
    public let manifests: [Descriptor]
    /// The manifest that this one refers to: it is a referrer of that.
    public let subject: Descriptor?
    /// What the artifact is, where it is none to run.
    public let artifactType: String?
    /// Its annotations; nil where the field is absent.
    public let annotations: [String: String]?

    init(json: JSONValue, entryLimit: Int, passesOverForeign: Bool = false) throws(OCIError) {
        let manifests = try json.descriptors(
            "manifests", in: "index", limit: entryLimit, passesOverForeign: passesOverForeign)
        self.manifests = manifests.compactMap { $0 }
        self.subject = try json.descriptor("subject", in: "index")
        self.artifactType = try json.mediaType("artifactType", in: "index")
        self.annotations = try json.annotations(in: "index")
    }
}
