import StrictJSON

/// What the older signatures sign: a "simple signing" document that names one manifest (containers/image,
/// `docs/containers-signature.5.md`; cosign's `SIGNATURE_SPEC.md`).
public struct SimpleSigningPayload: Sendable, Equatable {
    /// Where the signer found the image: `host/repository`, without tag or digest. A hint for readers: images are copied,
    /// and cosign compares it with nothing. Ours also carries ``Statement/repositoryAnnotation``, and that counts.
    public let dockerReference: String
    /// The manifest that is signed.
    public let manifestDigest: ArtifactDigest
    /// What kind of signature it claims to be; one of ``imageTypes``.
    public let type: String
    /// Free text by key (`cosign sign -a`); nil is written as `null`.
    public let optional: [String: String]?

    /// The media type of a layer that holds such a document.
    public static let layerMediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
    /// The type that cosign and we write.
    public static let cosignType = "cosign container image signature"
    /// The types that say "image signature"; another type is another claim, and no signature of an image.
    public static let imageTypes = [cosignType, "atomic container signature", Statement.cosignSignPredicateType]
    /// Longest document read, in bytes; cosign's are 250.
    public static let maxBytes = 1 << 20

    /// A signature of one manifest.
    public init(dockerReference: String, manifestDigest: ArtifactDigest, optional: [String: String]? = nil) {
        self.dockerReference = dockerReference
        self.manifestDigest = manifestDigest
        type = Self.cosignType
        self.optional = optional
    }

    /// What ``Statement/approval(of:in:rule:generation:)`` says, in the older form: `repository` is `host/path` without tag or digest.
    package static func approval(
        of digest: ArtifactDigest, in repository: String, rule: String, generation: Int32 = 0
    ) -> Self {
        Self(
            dockerReference: repository, manifestDigest: digest,
            optional: Statement.approvalAnnotations(repository, rule: rule, generation: generation))
    }

    /// The bytes to sign: cosign's member order, no white space, `optional` sorted by name. The same value, the same bytes.
    public func encoded() -> [UInt8] {
        let optional: JSONValue? = optional.map { optional in
            .object(
                JSONObject(
                    optional.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                        .map { JSONObject.Member($0.key, .string($0.value)) }))
        }
        return JSONValue.object([
            "critical": .object([
                "identity": .object(["docker-reference": .string(dockerReference)]),
                "image": .object(["docker-manifest-digest": .string(manifestDigest.description)]),
                "type": .string(type),
            ]),
            "optional": optional ?? .null,
        ]).encoded()
    }

    /// Reads a document that somebody signed. Members that are not known are passed over, as every reader of this format
    /// does; values of `optional` that are no text are left out.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` with the path of the member.
    public init(json: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(
            document: "simple signing payload", parsing: json, limits: JSONLimits(maxBytes: Self.maxBytes))
        let critical = try document.required("critical")
        dockerReference = try critical.optional("identity")?.optional("docker-reference")?.string() ?? ""
        let digest = try critical.required("image").required("docker-manifest-digest")
        do throws(SigstoreError) {
            manifestDigest = try ArtifactDigest(digest.string())
        } catch {
            throw digest.malformed(error.observed)
        }
        type = try critical.required("type").string()
        guard case .object(let object)? = try document.optional("optional")?.value else {
            optional = nil
            return
        }
        var texts: [String: String] = [:]
        for member in object.members { if let text = member.value.text { texts[member.name] = text } }
        optional = texts
    }
}
