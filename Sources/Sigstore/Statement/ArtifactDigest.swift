import OpenSSL

/// The digest of what was signed, as registries write it: `sha256:` and lower-case hex.
public struct ArtifactDigest: Sendable, Hashable, CustomStringConvertible {
    /// `sha256`, `sha384` or `sha512`.
    public let algorithm: String
    /// The digest in lower-case hex.
    public let hex: String

    /// Our names of the algorithms by those of sigstore_common.proto.
    static let algorithms = ["SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"]

    /// Reads `algorithm:hex`.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` for an unknown algorithm, a wrong length or upper-case hex.
    public init(_ text: String) throws(SigstoreError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .malformed("digest", "no algorithm before a colon") }
        try self.init(algorithm: String(parts[0]), hex: String(parts[1]))
    }

    /// A digest of a known algorithm.
    /// - Throws: as ``init(_:)``.
    public init(algorithm: String, hex: String) throws(SigstoreError) {
        let lengths = ["sha256": 64, "sha384": 96, "sha512": 128]
        guard let length = lengths[algorithm] else {
            throw .malformed("digest", "unknown algorithm \"\(printable(algorithm, limit: 20))\"")
        }
        guard hex.utf8.count == length,
            hex.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { throw .malformed("digest", "not \(length) lower-case hex digits") }
        self.algorithm = algorithm
        self.hex = hex
    }

    /// The SHA-256 of bytes that are at hand.
    public init(sha256Of contents: [UInt8]) {
        algorithm = "sha256"
        hex = Hex.encode(Hash.sha256(contents))
    }

    /// The digest's bytes.
    public var bytes: [UInt8] { Hex.decode(hex) ?? [] }

    public var description: String { "\(algorithm):\(hex)" }
}
