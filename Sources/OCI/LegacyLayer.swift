import StrictJSON

/// Which of cosign's legacy tags: signatures and attestations of an image each have one, beside it.
public enum LegacyKind: String, Sendable, CaseIterable {
    /// `sha256-<hex>.sig`: simple-signing payloads.
    case signature = "sig"
    /// `sha256-<hex>.att`: DSSE envelopes.
    case attestation = "att"
}

extension SignatureTag {
    /// The tag of a subject's legacy signatures or attestations, as cosign forms it.
    ///
    /// cosign does not cut it like the referrers tag schema does, so that a `sha512` subject would need 139 characters,
    /// more than a tag may have.
    /// - Throws: `legacyTagImpossible` for such a subject.
    public static func legacy(_ kind: LegacyKind, for subject: Digest) throws(OCIError) -> String {
        guard subject.algorithm == .sha256 else { throw .legacyTagImpossible(subject) }
        return "\(subject.algorithm.rawValue)-\(subject.hex).\(kind.rawValue)"
    }
}

/// One legacy signature or attestation as a registry holds it: a layer whose blob is what was signed, and whose
/// annotations are what is known about it.
public struct LegacyLayer: Sendable, Equatable {
    /// Media type, digest, size and annotations: what stands in the manifest.
    public let descriptor: Descriptor
    /// The blob: a simple-signing payload, or a DSSE envelope's JSON.
    public let payload: [UInt8]

    /// A layer to attach. Rendering is a function of the arguments, byte for byte.
    public init(mediaType: String, payload: [UInt8], annotations: [String: String]) {
        self.payload = payload
        descriptor = Descriptor(
            mediaType: mediaType, digest: .sha256(of: payload), size: payload.count, annotations: annotations)
    }

    /// A layer that was rendered before and kept.
    /// - Parameter json: what ``encoded()`` gave.
    /// - Throws: `manifestMalformed` if it does not describe this payload.
    public init(json: [UInt8], payload: [UInt8]) throws(OCIError) {
        descriptor = try Self.descriptor(json: json)
        guard descriptor.digest.matches(payload), descriptor.size == payload.count else {
            throw .manifestMalformed("kept layer: not the descriptor of its payload")
        }
        self.payload = payload
    }

    /// The descriptor's JSON, annotations sorted: the bytes to keep until the layer is published.
    public func encoded() -> [UInt8] { descriptor.json.encoded() }

    /// Whether a manifest's layer is this one: the same blob, and nothing said of it here is missing or different there.
    ///
    /// The blob alone would not do: whoever signs the same image in the same repository signs the same payload.
    func isServed(as layer: Descriptor) -> Bool { descriptor.isServed(as: layer) }

    /// Reads the descriptor of a layer that was rendered before and kept.
    /// - Parameter json: what ``encoded()`` gave.
    static func descriptor(json: [UInt8]) throws(OCIError) -> Descriptor {
        let document: JSONValue
        do { document = try JSONValue(parsing: json) } catch { throw .manifestMalformed("kept layer: \(error)") }
        return try Descriptor(json: document, in: "kept layer")
    }
}

extension Descriptor {
    /// Whether this layer of a manifest is a legacy signature or attestation: by its type, or by the annotation that cosign
    /// finds the signature in.
    var isLegacySignature: Bool {
        MediaType.isSignatureLayer(mediaType) || annotations?["dev.cosignproject.cosign/signature"] != nil
    }

    /// Whether a manifest's layer is this one, with nothing of what is said here missing or different there.
    func isServed(as layer: Descriptor) -> Bool {
        layer.digest == digest && layer.mediaType == mediaType
            && (annotations ?? [:]).allSatisfy { layer.annotations?[$0.key] == $0.value }
    }
}

/// Where a legacy layer was seen: under which tag, and in which manifest the tag held at that moment. The manifest
/// changes with every signature that anybody adds.
public struct LegacyAttachment: Sendable, Equatable {
    /// The `.sig` or `.att` tag.
    public let tag: String
    /// The digest of the manifest that the tag held.
    public let manifest: Digest
}
