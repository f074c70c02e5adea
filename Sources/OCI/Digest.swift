internal import OpenSSL

/// A content digest, `algorithm:hex`, as the OCI image specification's "Digests" section defines it.
///
/// Only `sha256` and `sha512` exist here: they are the registered algorithms, and a digest that cannot be
/// recomputed is not an identity.
public struct Digest: Hashable, Sendable, Codable, CustomStringConvertible {
    /// A registered digest algorithm.
    public enum Algorithm: String, Sendable, CaseIterable {
        case sha256
        case sha512

        /// The number of lowercase hexadecimal characters of a digest of this algorithm.
        var hexLength: Int {
            switch self {
            case .sha256: 64
            case .sha512: 128
            }
        }
    }

    /// The algorithm before the colon.
    public let algorithm: Algorithm
    /// The lowercase hexadecimal characters after the colon.
    public let hex: String

    /// Parses `sha256:…` or `sha512:…`.
    ///
    /// Uppercase hexadecimal is refused: the specification demands `[a-f0-9]`, and two spellings of one digest
    /// would be two identities.
    /// - Throws: `OCIError.digestMalformed`.
    public init(_ text: String) throws(OCIError) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            throw .digestMalformed(text, "no algorithm before a colon")
        }
        guard let algorithm = Algorithm(rawValue: String(text[..<colon])) else {
            throw .digestMalformed(text, "algorithm is neither sha256 nor sha512")
        }
        let hex = text[text.index(after: colon)...]
        guard hex.utf8.count == algorithm.hexLength else {
            throw .digestMalformed(text, "\(algorithm) needs \(algorithm.hexLength) hexadecimal characters")
        }
        guard hex.utf8.allSatisfy(\.isLowercaseHex) else {
            throw .digestMalformed(text, "not lowercase hexadecimal")
        }
        self.algorithm = algorithm
        self.hex = String(hex)
    }

    /// Whether the text has the form of a digest, of an algorithm that is not among ours.
    static func isForeign(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), colon > text.startIndex else { return false }
        let algorithm = text[..<colon]
        return Algorithm(rawValue: String(algorithm)) == nil
            && algorithm.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || "+._-".utf8.contains(byte)
            }
    }

    private init(algorithm: Algorithm, hash: [UInt8]) {
        self.algorithm = algorithm
        self.hex = Hex.encode(hash)
    }

    /// The SHA-256 digest of `bytes`.
    public static func sha256(of bytes: [UInt8]) -> Digest {
        Digest(algorithm: .sha256, hash: Hash.sha256(bytes))
    }

    /// Whether `bytes` hash to this digest under its own algorithm.
    public func matches(_ bytes: [UInt8]) -> Bool {
        self == Self.computed(algorithm, of: bytes)
    }

    /// The digest of `bytes` under `algorithm`.
    static func computed(_ algorithm: Algorithm, of bytes: [UInt8]) -> Digest {
        switch algorithm {
        case .sha256: Digest(algorithm: .sha256, hash: Hash.sha256(bytes))
        case .sha512: Digest(algorithm: .sha512, hash: Hash.sha512(bytes))
        }
    }

    /// `algorithm:hex`.
    public var description: String { "\(algorithm.rawValue):\(hex)" }

    /// Decodes from a JSON string; the same grammar as ``init(_:)``.
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    /// Encodes as a JSON string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
