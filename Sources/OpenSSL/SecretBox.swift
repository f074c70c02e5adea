internal import COpenSSL

/// Authenticated encryption as NaCl's `crypto_secretbox_xsalsa20poly1305`: what cosign's key files are sealed with.
public enum SecretBox {
    /// Bytes of the key.
    public static let keyByteCount = 32
    /// Bytes of the nonce.
    public static let nonceByteCount = 24
    private static let tagByteCount = 16

    /// Opens a box: sixteen bytes of Poly1305 tag, then the ciphertext. The tag is checked first, in constant time.
    ///
    /// - Throws: `.signatureInvalid` when key and box do not belong together, `.malformed` for wrong lengths.
    public static func open(_ box: [UInt8], nonce: [UInt8], key: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard key.count == keyByteCount, nonce.count == nonceByteCount, box.count >= tagByteCount else {
            throw .malformed(what: "secret box", detail: "wrong length of key, nonce or box")
        }
        let sealed = Array(box[tagByteCount...])
        // the first 32 bytes of the stream key the tag, encryption begins behind them
        var stream = XSalsa20.stream(key: key, nonce: nonce, count: 32 + sealed.count)
        defer { cleanse(&stream) }
        let tag = try poly1305(sealed, key: Array(stream[..<32]))
        guard CRYPTO_memcmp(tag, box, tagByteCount) == 0 else { throw .signatureInvalid }
        return zip(sealed, stream[32...]).map { $0 ^ $1 }
    }

    /// Seals a message: the inverse of ``open(_:nonce:key:)``. A nonce serves one message only.
    public static func seal(_ message: [UInt8], nonce: [UInt8], key: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard key.count == keyByteCount, nonce.count == nonceByteCount else {
            throw .malformed(what: "secret box", detail: "wrong length of key or nonce")
        }
        var stream = XSalsa20.stream(key: key, nonce: nonce, count: 32 + message.count)
        defer { cleanse(&stream) }
        let sealed = zip(message, stream[32...]).map { $0 ^ $1 }
        return try poly1305(sealed, key: Array(stream[..<32])) + sealed
    }

    /// The one-time authenticator of RFC 8439 §2.5.
    static func poly1305(_ message: [UInt8], key: [UInt8]) throws(CryptoError) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: tagByteCount)
        var length = 0
        let result = EVP_Q_mac(
            nil, "POLY1305", nil, nil, nil, key, key.count, message, message.count, &tag, tag.count, &length)
        guard result != nil, length == tagByteCount else { throw .failure(of: "Poly1305") }
        return tag
    }
}
