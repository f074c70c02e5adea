public import FoundationEssentials

/// A log's promise to include a certificate: SignedCertificateTimestamp of RFC 6962 §3.2, version 1.
///
/// OpenSSL's own SCT check reads its log list from a file only, so parsing and verifying are done here.
public struct SignedCertificateTimestamp: Sendable, Equatable {
    /// SHA-256 of the log's SubjectPublicKeyInfo, 32 bytes.
    public let logID: [UInt8]
    /// Milliseconds since 1970-01-01 UTC, as signed.
    public let milliseconds: UInt64
    /// CtExtensions, without their length; empty so far everywhere.
    public let extensions: [UInt8]
    /// HashAlgorithm of TLS 1.2 (RFC 5246 §7.4.1.4.1): 4 is SHA-256.
    public let hashAlgorithm: UInt8
    /// SignatureAlgorithm of TLS 1.2: 1 is RSA, 3 is ECDSA.
    public let signatureAlgorithm: UInt8
    /// The log's signature, DER for ECDSA.
    public let signature: [UInt8]

    /// When the log saw the certificate.
    public var time: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

    /// Decodes one TLS-encoded SCT that fills `tls` exactly; throws `.malformed`, and `.unsupported` for other versions.
    public init(tls: [UInt8]) throws(CryptoError) {
        var reader = TLSReader(tls[...], "signed certificate timestamp")
        let version = try reader.number(bytes: 1)
        guard version == 0 else { throw .unsupported("signed certificate timestamp version \(version)") }
        logID = try reader.take(32)
        milliseconds = try reader.number(bytes: 8)
        // Later than the year 9999 cannot be right, and it must not overflow anything that computes with it
        guard milliseconds < 253_402_300_800_000 else { throw reader.malformed("time after the year 9999") }
        extensions = try reader.vector(lengthBytes: 2)
        hashAlgorithm = UInt8(try reader.number(bytes: 1))
        signatureAlgorithm = UInt8(try reader.number(bytes: 1))
        signature = try reader.vector(lengthBytes: 2)
        try reader.finish()
    }

    init(logID: [UInt8], milliseconds: UInt64, signatureAlgorithm: UInt8, signature: [UInt8]) {
        self.logID = logID
        self.milliseconds = milliseconds
        extensions = []
        hashAlgorithm = 4
        self.signatureAlgorithm = signatureAlgorithm
        self.signature = signature
    }

    /// The TLS encoding.
    public var tls: [UInt8] {
        [0] + logID + Self.bigEndian(milliseconds, 8) + Self.vector(extensions) + [hashAlgorithm, signatureAlgorithm]
            + Self.vector(signature)
    }

    /// Decodes a SignedCertificateTimestampList (RFC 6962 §3.3); throws `.malformed` for an empty or unclean one.
    public static func list(tls: [UInt8]) throws(CryptoError) -> [SignedCertificateTimestamp] {
        var outer = TLSReader(tls[...], "signed certificate timestamp list")
        let content = try outer.vector(lengthBytes: 2)
        try outer.finish()
        var inner = TLSReader(content[...], "signed certificate timestamp list")
        var list: [SignedCertificateTimestamp] = []
        repeat { list.append(try SignedCertificateTimestamp(tls: inner.vector(lengthBytes: 2))) } while !inner.isAtEnd
        return list
    }

    /// The TLS encoding of a SignedCertificateTimestampList.
    public static func encode(list: [SignedCertificateTimestamp]) -> [UInt8] { vector(list.flatMap { vector($0.tls) }) }

    /// The digitally-signed struct of RFC 6962 §3.2 for a precertificate entry.
    private static func signedData(
        _ milliseconds: UInt64, extensions: [UInt8], issuer: Certificate, tbs: [UInt8]
    ) -> [UInt8] {
        let header: [UInt8] = [0, 0]  // v1, certificate_timestamp
        let entry: [UInt8] = [0, 1] + Hash.sha256(issuer.publicKey.spki)  // precert_entry
        return header + bigEndian(milliseconds, 8) + entry + bigEndian(UInt64(tbs.count), 3) + tbs + vector(extensions)
    }

    private static func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0.suffix(count)) }
    }

    private static func vector(_ bytes: [UInt8]) -> [UInt8] { bigEndian(UInt64(bytes.count), 2) + bytes }
}

// MARK: - Verifying and issuing

extension SignedCertificateTimestamp {
    /// Checks that the log with that key promised to include `certificate` (RFC 6962 §3.2).
    ///
    /// `issuer` is the certificate that signed it, whose key hash binds the promise to that CA. Throws
    /// `.certificateTimestamp` when the log id is not the key's or the signature does not fit.
    public func verify(for certificate: Certificate, issuer: Certificate, key: PublicKey) throws(CryptoError) {
        guard logID == Hash.sha256(key.spki) else {
            throw .certificateTimestamp("it is from another log than the key given")
        }
        let scheme: SignatureScheme =
            switch (hashAlgorithm, signatureAlgorithm) {
            case (4, 3): .ecdsa(.sha256)
            case (4, 1): .rsaPKCS1(.sha256)
            // RFC 6962 §2.1.4 allows these two only
            default: throw .unsupported("SCT signature algorithm \(hashAlgorithm)/\(signatureAlgorithm)")
            }
        let signed = Self.signedData(
            milliseconds, extensions: extensions, issuer: issuer, tbs: try certificate.precertificateTBS())
        do {
            try key.verify(signature, of: signed, scheme)
        } catch .signatureInvalid {
            throw .certificateTimestamp("the log's signature does not cover this certificate and issuer")
        }
    }

    /// What a log answers to a precertificate (or to the certificate made from it). For the lab's log.
    public static func issue(
        for precertificate: Certificate, issuer: Certificate, logKey: PrivateKey, milliseconds: UInt64
    ) throws(CryptoError) -> SignedCertificateTimestamp {
        let signatureAlgorithm: UInt8 =
            switch logKey.algorithm {
            case .ecdsaP256: 3
            case .rsa: 1
            default: throw .unsupported("certificate transparency log with a key of algorithm \(logKey.algorithm)")
            }
        let signed = signedData(
            milliseconds, extensions: [], issuer: issuer, tbs: try precertificate.precertificateTBS())
        return SignedCertificateTimestamp(
            logID: Hash.sha256(logKey.publicKey.spki), milliseconds: milliseconds,
            signatureAlgorithm: signatureAlgorithm, signature: try logKey.sign(signed))
    }
}

/// Reads the presentation language of TLS (RFC 5246 §4) strictly.
private struct TLSReader {
    private var rest: ArraySlice<UInt8>
    private let what: String

    init(_ bytes: ArraySlice<UInt8>, _ what: String) {
        rest = bytes
        self.what = what
    }

    var isAtEnd: Bool { rest.isEmpty }

    func malformed(_ detail: String) -> CryptoError { .malformed(what: what, detail: detail) }

    func finish() throws(CryptoError) {
        guard rest.isEmpty else { throw malformed("\(rest.count) trailing bytes") }
    }

    mutating func take(_ count: Int) throws(CryptoError) -> [UInt8] {
        guard rest.count >= count else { throw malformed("truncated") }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func number(bytes: Int) throws(CryptoError) -> UInt64 {
        try take(bytes).reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func vector(lengthBytes: Int) throws(CryptoError) -> [UInt8] {
        try take(Int(try number(bytes: lengthBytes)))
    }
}
