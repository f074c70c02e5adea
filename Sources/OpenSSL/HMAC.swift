internal import COpenSSL

/// Keyed digests, RFC 2104.
public enum HMAC {
    /// HMAC-SHA-256 of `message`, 32 bytes. The key may be empty.
    public static func sha256(key: [UInt8], message: [UInt8]) -> [UInt8] {
        authenticate(.sha256, key: key, message: message)
    }

    /// HMAC-SHA-1 of `message`, 20 bytes: only for senders that offer nothing better.
    public static func sha1(key: [UInt8], message: [UInt8]) -> [UInt8] {
        authenticate(.sha1, key: key, message: message)
    }

    private static func authenticate(_ algorithm: DigestAlgorithm, key: [UInt8], message: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: algorithm.byteCount) { buffer, count in
            let code = COpenSSL.HMAC(
                MessageDigest.of(algorithm).raw, key, Int32(key.count), message, message.count, buffer.baseAddress, nil)
            precondition(code != nil, "OpenSSL cannot compute an HMAC: \(CryptoError.takeReasons())")
            count = algorithm.byteCount
        }
    }
}

/// Whether two secrets are equal, in a time that depends on neither their content nor the position of a difference.
///
/// Both sides are hashed first, so inputs of different length cost the same comparison as equal ones: how long the
/// expected secret is does not show either (beyond the hashing of the caller's own input).
public func constantTimeEqual(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    let digests = (Hash.sha256(first), Hash.sha256(second))
    return CRYPTO_memcmp(digests.0, digests.1, digests.0.count) == 0
}

/// Bytes from OpenSSL's deterministic random bit generator, seeded by the operating system.
public enum SecureRandom {
    /// `count` unpredictable bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        // an array without room is everybody's, and is not to be written to
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // Without randomness no key, nonce or token may be made: stop rather than return predictable bytes.
            precondition(RAND_bytes(buffer.baseAddress, Int32(count)) == 1, "OpenSSL has no randomness")
            initialized = count
        }
    }
}
