public import OpenSSL

/// One layer of a `sha256-<hex>.sig` or `.att` manifest, as somebody presents it: the older way to keep signatures in a
/// registry, where a layer's annotations hold what a bundle holds today. Parsed, bounded, and not believed.
public struct LegacySignature: Sendable, Equatable {
    /// What the layer's bytes are.
    public enum Content: Sendable, Equatable {
        /// `.sig`: a simple signing document (``SimpleSigningPayload``), and the signature over these bytes.
        case payload([UInt8], signature: [UInt8])
        /// `.att`: a DSSE envelope, which brings its own signature.
        case envelope(Envelope)
    }

    /// What was signed.
    public let content: Content
    /// The signer's certificate; nil for a signature by a key that the verifier must know.
    public let certificate: Certificate?
    /// Intermediates that the signer sends along. They may complete a path to the trusted root and are never its anchor.
    public let chain: [Certificate]
    /// The log entry: body, signed entry timestamp and times. The format has no room for an inclusion proof.
    public internal(set) var entry: TlogEntry?
    /// The timestamp authority's whole answer, over ``stamped``.
    public let timestamp: [UInt8]?
    /// The layer's bytes, as they were read or as they are to be published.
    public let layer: [UInt8]

    /// The media type of a layer that holds an envelope.
    public static let envelopeLayerMediaType = "application/vnd.dsse.envelope.v1+json"

    /// A signature of our own making; `entry` is nil as long as it is not logged.
    public init(
        _ content: Content, certificate: Certificate?, chain: [Certificate] = [], entry: TlogEntry?,
        timestamp: [UInt8]?
    ) {
        self.content = content
        self.certificate = certificate
        self.chain = chain
        self.entry = entry
        self.timestamp = timestamp
        layer =
            switch content {
            case .payload(let bytes, _): bytes
            case .envelope(let envelope): envelope.encoded()
            }
    }

    /// What a timestamp of this format is made over: the raw signature of an image, as in bundles; but of an attestation,
    /// which has no signature annotation, the whole layer (cosign's `attest` and `VerifyRFC3161Timestamp`).
    public var stamped: [UInt8] {
        switch content {
        case .payload(_, let signature): signature
        case .envelope: layer
        }
    }

    /// The raw signature: what the log holds.
    public var signature: [UInt8] {
        switch content {
        case .payload(_, let signature): signature
        case .envelope(let envelope): envelope.signatures.first?.sig ?? []
        }
    }

    /// The same signature with another entry: as the log serves it now, with a proof of inclusion.
    public func replacing(entry: TlogEntry?) -> Self {
        var other = self
        other.entry = entry
        return other
    }

    /// The layer's media type.
    public var layerMediaType: String {
        switch content {
        case .payload: SimpleSigningPayload.layerMediaType
        case .envelope: Self.envelopeLayerMediaType
        }
    }
}
