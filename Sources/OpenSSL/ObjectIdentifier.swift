/// Dotted object identifiers that more than one file here needs.
enum ObjectIdentifier {
    // RFC 5280 §4.2
    static let subjectKeyIdentifier = "2.5.29.14"
    static let keyUsage = "2.5.29.15"
    static let subjectAlternativeName = "2.5.29.17"
    static let basicConstraints = "2.5.29.19"
    static let authorityKeyIdentifier = "2.5.29.35"
    static let extendedKeyUsage = "2.5.29.37"
    static let anyExtendedKeyUsage = "2.5.29.37.0"
    static let codeSigning = "1.3.6.1.5.5.7.3.3"
    static let timeStamping = "1.3.6.1.5.5.7.3.8"

    // RFC 6962 §3.1, §3.3
    static let signedCertificateTimestampList = "1.3.6.1.4.1.11129.2.4.2"
    static let precertificatePoison = "1.3.6.1.4.1.11129.2.4.3"

    // RFC 5652, RFC 5035, RFC 3161
    static let signedData = "1.2.840.113549.1.7.2"
    static let timestampInfo = "1.2.840.113549.1.9.16.1.4"
    static let contentType = "1.2.840.113549.1.9.3"
    static let messageDigest = "1.2.840.113549.1.9.4"
    static let signingTime = "1.2.840.113549.1.9.5"
    static let signingCertificateV2 = "1.2.840.113549.1.9.16.2.47"
}

extension DigestAlgorithm {
    /// OID in dotted form (RFC 8017 appendix B.1).
    var dottedIdentifier: String {
        switch self {
        case .sha1: "1.3.14.3.2.26"
        case .sha256: "2.16.840.1.101.3.4.2.1"
        case .sha384: "2.16.840.1.101.3.4.2.2"
        case .sha512: "2.16.840.1.101.3.4.2.3"
        }
    }

    /// The same OID in DER.
    var objectIdentifier: [UInt8] {
        let nist: [UInt8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02]  // 2.16.840.1.101.3.4.2
        return switch self {
        case .sha1: DER.element(DER.Tag.objectIdentifier, [0x2B, 0x0E, 0x03, 0x02, 0x1A])
        case .sha256: DER.element(DER.Tag.objectIdentifier, nist + [1])
        case .sha384: DER.element(DER.Tag.objectIdentifier, nist + [2])
        case .sha512: DER.element(DER.Tag.objectIdentifier, nist + [3])
        }
    }
}
