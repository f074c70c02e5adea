internal import COpenSSL

/// A digest algorithm of FIPS 180-4.
public enum DigestAlgorithm: String, Sendable, CaseIterable {
    /// Only for key identifiers (RFC 5280 §4.2.1.2) and to name what is refused; never accepted in a signature.
    case sha1
    case sha256
    case sha384
    case sha512

    /// Length of the digest in bytes.
    public var byteCount: Int {
        switch self {
        case .sha1: 20
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }
}

/// One-shot digests.
public enum Hash {
    /// SHA-256 of `bytes`, 32 bytes.
    public static func sha256(_ bytes: some Collection<UInt8>) -> [UInt8] { digest(.sha256, bytes) }

    /// SHA-384 of `bytes`, 48 bytes.
    public static func sha384(_ bytes: some Collection<UInt8>) -> [UInt8] { digest(.sha384, bytes) }

    /// SHA-512 of `bytes`, 64 bytes.
    public static func sha512(_ bytes: some Collection<UInt8>) -> [UInt8] { digest(.sha512, bytes) }

    /// SHA-1 of `bytes`, 20 bytes. Not collision resistant: for key identifiers only.
    public static func sha1(_ bytes: some Collection<UInt8>) -> [UInt8] { digest(.sha1, bytes) }

    /// The digest of `bytes` by the given algorithm.
    public static func digest(_ algorithm: DigestAlgorithm, _ bytes: some Collection<UInt8>) -> [UInt8] {
        let method = MessageDigest.of(algorithm)
        let digest = bytes.withContiguousStorageIfAvailable { method.digest($0) }
        return digest ?? Array(bytes).withUnsafeBufferPointer { method.digest($0) }
    }
}

/// SHA-256 of bytes that arrive in pieces.
public struct SHA256Stream: ~Copyable {
    private let context: OpaquePointer

    /// An empty stream.
    public init() {
        // A process that cannot allocate a few hundred bytes, or has no SHA-256, must stop: a wrong digest is worse.
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("OpenSSL cannot allocate a digest context") }
        precondition(EVP_DigestInit_ex2(context, MessageDigest.of(.sha256).raw, nil) == 1, "OpenSSL has no SHA-256")
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Appends `bytes` to the message.
    public mutating func update(_ bytes: [UInt8]) {
        precondition(EVP_DigestUpdate(context, bytes, bytes.count) == 1, "OpenSSL cannot continue SHA-256")
    }

    /// The digest of everything appended, 32 bytes.
    public consuming func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            precondition(EVP_DigestFinal_ex(context, buffer.baseAddress, nil) == 1, "OpenSSL cannot finish SHA-256")
            count = 32
        }
    }
}

/// A fetched `EVP_MD`. Fetching once and keeping it for the life of the process saves a quarter of the cost of hashing
/// 1 KiB; the object is immutable, hence shareable.
final class MessageDigest: @unchecked Sendable {
    let raw: OpaquePointer
    private let byteCount: Int

    private init(_ name: String, byteCount: Int) {
        guard let raw = EVP_MD_fetch(nil, name, nil) else { preconditionFailure("OpenSSL has no \(name)") }
        self.raw = raw
        self.byteCount = byteCount
    }

    deinit { EVP_MD_free(raw) }

    private static let sha1 = MessageDigest("SHA1", byteCount: 20)
    private static let sha256 = MessageDigest("SHA2-256", byteCount: 32)
    private static let sha384 = MessageDigest("SHA2-384", byteCount: 48)
    private static let sha512 = MessageDigest("SHA2-512", byteCount: 64)

    static func of(_ algorithm: DigestAlgorithm) -> MessageDigest {
        switch algorithm {
        case .sha1: sha1
        case .sha256: sha256
        case .sha384: sha384
        case .sha512: sha512
        }
    }

    func digest(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            let status = EVP_Digest(bytes.baseAddress, bytes.count, buffer.baseAddress, nil, raw, nil)
            precondition(status == 1, "OpenSSL cannot hash: \(CryptoError.takeReasons())")
            count = byteCount
        }
    }
}
