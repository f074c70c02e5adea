extension Certificate {
    /// The last certificates decoded by ``remembered(der:)``.
    private static let decoded = RecentlyUsed<Certificate>(capacity: 256)

    /// The certificate of these bytes, decoded once for all who ask: decoding costs OpenSSL 3.0 as much as several
    /// signatures, and a signer's certificate is met with each of them.
    ///
    /// For certificates of our own records, not for a stranger's. Throws as ``init(der:)`` does.
    package static func remembered(der: [UInt8]) throws(CryptoError) -> Certificate {
        if let known = decoded.value(for: der) { return known }
        let certificate = try Certificate(der: der)
        decoded.remember(certificate, for: der)
        return certificate
    }
}
