import StrictJSON

/// An SBOM beside an image as `cosign attach sbom` leaves it: nobody has signed it, and nothing says that it is about the
/// image but its place. For readers that know nothing else; an attestation says the same and can be verified.
public struct UnsignedSBOM: Sendable {
    /// What it is written in.
    public enum Format: String, Sendable, CaseIterable {
        case spdx, cyclonedx, syft
    }

    /// How that is written down.
    public enum Encoding: String, Sendable, CaseIterable {
        case json
        case xml
        /// SPDX's own: tag-value.
        case text
    }

    /// The config type of an SBOM that is a referrer (cosign's `--registry-referrers-mode=oci-1-1`).
    public static let referrerConfigType = "application/vnd.dev.cosign.artifact.sbom.v1+json"

    /// The document, the layer's blob.
    public let document: [UInt8]
    /// Where it goes: media type, digest and size of the document.
    public let layer: Descriptor

    /// A document of that kind; its content is not looked at.
    /// - Throws: `unsupportedMediaType` for a combination that cosign has no media type for.
    public init(_ document: [UInt8], _ format: Format, _ encoding: Encoding) throws(OCIError) {
        self.document = document
        layer = Descriptor(
            mediaType: try Self.mediaType(format, encoding), digest: .sha256(of: document), size: document.count)
    }

    /// cosign's media type (`specs/SBOM_SPEC.md`).
    public static func mediaType(_ format: Format, _ encoding: Encoding) throws(OCIError) -> String {
        switch (format, encoding) {
        case (.spdx, .json): "text/spdx+json"
        case (.spdx, .xml): "text/spdx+xml"
        case (.spdx, .text): "text/spdx"
        case (.cyclonedx, .json): "application/vnd.cyclonedx+json"
        case (.cyclonedx, .xml): "application/vnd.cyclonedx+xml"
        case (.syft, .json): "application/vnd.syft+json"
        case (.cyclonedx, .text), (.syft, .text), (.syft, .xml):
            throw .unsupportedMediaType("\(format.rawValue) as \(encoding.rawValue)")
        }
    }

    /// The image that has the document as its only layer, member for member as cosign writes it.
    var config: [UInt8] {
        JSONValue.object([
            "architecture": .string(""), "created": .string(Self.noTime),
            "history": .array([.object(["created": .string(Self.noTime)])]), "os": .string(""),
            "rootfs": .object(["type": .string("layers"), "diff_ids": .array([.string("\(layer.digest)")])]),
            "config": .object([:]),
        ]).encoded()
    }

    /// The manifest to push.
    /// - Parameter subject: what it refers to; nil for the manifest under the older tag, which refers to nothing.
    func manifest(of subject: Descriptor?) -> [UInt8] {
        let config = config
        let type = subject == nil ? MediaType.imageConfig : Self.referrerConfigType
        var document: JSONObject = [
            "schemaVersion": .number("2"), "mediaType": .string(MediaType.ociManifest),
            "config": Descriptor(mediaType: type, digest: .sha256(of: config), size: config.count).json,
            "layers": .array([layer.json]),
        ]
        if let subject {
            document["subject"] =
                Descriptor(mediaType: subject.mediaType, digest: subject.digest, size: subject.size).json
        }
        return JSONValue.object(document).encoded()
    }

    /// Go's zero time: an unsigned SBOM says nothing of when.
    private static let noTime = "0001-01-01T00:00:00Z"
}

extension SignatureTag {
    /// The tag of a subject's unsigned SBOM, as cosign forms it.
    /// - Throws: `legacyTagImpossible` for a subject that is not SHA-256.
    public static func sbom(for subject: Digest) throws(OCIError) -> String {
        guard subject.algorithm == .sha256 else { throw .legacyTagImpossible(subject) }
        return "\(subject.algorithm.rawValue)-\(subject.hex).sbom"
    }
}

extension RegistryClient {
    /// Puts the SBOM under the subject's `.sbom` tag, in place of what is there: cosign has one for an image.
    /// - Returns: the digest of the manifest under the tag.
    @discardableResult
    public func attach(_ sbom: UnsignedSBOM, underTagOf subject: Digest, in name: String) async throws(OCIError)
        -> Digest
    {
        let tag = try SignatureTag.sbom(for: subject)
        try await pushBlobs(of: sbom, name)
        return try await pushManifest(
            name, bytes: sbom.manifest(of: nil), mediaType: MediaType.ociManifest, reference: .tag(tag)
        ).digest
    }

    /// Makes the SBOM a referrer of the subject, and sees to it that it is listed.
    /// - Returns: the digest of the referrer.
    @discardableResult
    public func attach(_ sbom: UnsignedSBOM, to subject: Descriptor, in name: String) async throws(OCIError) -> Digest {
        try await pushBlobs(of: sbom, name)
        let manifest = sbom.manifest(of: subject)
        let pushed = try await pushManifest(
            name, bytes: manifest, mediaType: MediaType.ociManifest, reference: .digest)
        if let listed = try await listedByAPI(name, subject.digest, acknowledged: pushed.acknowledgedSubject != nil) {
            guard listed.contains(where: { $0.digest == pushed.digest }) else {
                throw .referrerNotListed(subject: subject.digest, referrer: pushed.digest)
            }
            return pushed.digest
        }
        try await addToFallbackIndex(
            name, subject: subject.digest,
            entry: Descriptor(
                mediaType: MediaType.ociManifest, digest: pushed.digest, size: manifest.count,
                artifactType: UnsignedSBOM.referrerConfigType))
        return pushed.digest
    }

    private func pushBlobs(of sbom: UnsignedSBOM, _ name: String) async throws(OCIError) {
        try await pushBlob(name, sbom.document)
        try await pushBlob(name, sbom.config)
    }
}
