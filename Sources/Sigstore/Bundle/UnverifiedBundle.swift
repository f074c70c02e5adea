public import OpenSSL
public import StrictJSON

/// A Sigstore bundle as somebody presents it: parsed, bounded, and not believed. Only ``Verifier`` makes a
/// ``VerifiedSignature`` of it.
public struct UnverifiedBundle: Sendable, Equatable {
    /// The bundle versions that are read; only 0.3 is written.
    public enum Version: String, Sendable, Comparable {
        case v01 = "0.1"
        case v02 = "0.2"
        case v03 = "0.3"

        public static func < (left: Version, right: Version) -> Bool { left.rawValue < right.rawValue }
    }

    /// What the signature is to be verified with.
    public enum Material: Sendable, Equatable {
        /// A Fulcio certificate in DER; intermediates are taken from the trusted root, never from the bundle.
        case certificate([UInt8])
        /// A key that the verifier must know; the hint is not authenticated.
        case publicKey(hint: String)
    }

    /// What was signed.
    public enum Content: Sendable, Equatable {
        /// A DSSE envelope.
        case envelope(Envelope)
        /// A signature over the artifact itself, with the digest the signer saw.
        case messageSignature(digestAlgorithm: String?, digest: [UInt8]?, signature: [UInt8])

        /// The signature's bytes; what a timestamp is made over.
        public var signature: [UInt8] {
            switch self {
            case .envelope(let envelope): envelope.signatures.first?.sig ?? []
            case .messageSignature(_, _, let signature): signature
            }
        }
    }

    /// `application/vnd.dev.sigstore.bundle.v0.3+json`, the media type of what ``json()`` writes.
    public static let mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
    /// Bounds for bundles of attestations, which hold a whole document: 64 MiB in base64.
    public static let attestationLimits = JSONLimits(maxBytes: 96 << 20, maxDepth: 64)
    /// At most this many log entries, and as many timestamps, are read.
    public static let maxEntries = 32
    /// The most values of a bundle's JSON, an envelope's, or a log entry's body: what is large in them is text.
    static let maxValues = 10_000

    /// The version the media type names.
    public let version: Version
    /// Certificate or key.
    public let material: Material
    /// What was signed.
    public let content: Content
    /// The log entries.
    public let tlogEntries: [TlogEntry]
    /// RFC 3161 answers, each a whole `TimeStampResp` in DER.
    public let timestamps: [[UInt8]]

    /// A version 0.3 bundle of our own making.
    public init(envelope: Envelope, certificate: Certificate, tlogEntry: TlogEntry, timestamp: [UInt8]?) {
        version = .v03
        material = .certificate(certificate.der)
        content = .envelope(envelope)
        tlogEntries = [tlogEntry]
        timestamps = timestamp.map { [$0] } ?? []
    }

    /// A version 0.3 bundle of its parts: of a certificate or a key, not yet logged or in several logs.
    public init(_ content: Content, _ material: Material, _ tlogEntries: [TlogEntry], timestamps: [[UInt8]]) {
        self.init(
            version: .v03, material: material, content: content, tlogEntries: tlogEntries, timestamps: timestamps)
    }

    /// A bundle as it was read.
    init(version: Version, material: Material, content: Content, tlogEntries: [TlogEntry], timestamps: [[UInt8]]) {
        self.version = version
        self.material = material
        self.content = content
        self.tlogEntries = tlogEntries
        self.timestamps = timestamps
    }
}
