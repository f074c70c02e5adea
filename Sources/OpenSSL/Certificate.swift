internal import COpenSSL
public import FoundationEssentials

/// An X.509 certificate, decoded completely when made (OpenSSL 3.0 takes 150 to 200 µs for that): every property is a
/// stored value. Having one says nothing about trust; `CertificateChain.verify` does.
public final class Certificate: @unchecked Sendable {
    /// The certificate as it was received.
    public let der: [UInt8]
    /// The subject's key.
    public let publicKey: PublicKey
    /// First instant of validity (RFC 5280 §4.1.2.5: both ends belong to it).
    public let notBefore: Date
    /// Last instant of validity.
    public let notAfter: Date
    /// Serial number, unsigned big-endian without leading zeros.
    public let serialNumber: [UInt8]
    /// Subject as RFC 2253 text, for people; empty for Fulcio's leaves.
    public let subject: String
    /// Issuer as RFC 2253 text, for people.
    public let issuer: String
    /// Names of the subject alternative name extension, in order.
    public let subjectAlternativeNames: [GeneralName]
    /// Whether basicConstraints says that this is a CA.
    public let isCertificateAuthority: Bool
    /// Dotted OIDs of the extended key usage extension; empty when there is none.
    public let extendedKeyUsages: [String]
    /// Key usage bits (RFC 5280 §4.2.1.3); nil when there is no such extension.
    public let keyUsage: KeyUsage?

    let fields: CertificateFields
    let raw: OpaquePointer

    /// Decodes a DER certificate.
    ///
    /// Throws `.malformed` for anything but strict DER, trailing bytes or repeated extensions, `.unsupported` for other
    /// versions than 3 and for keys that `PublicKey` does not take.
    public init(der: [UInt8]) throws(CryptoError) {
        let fields = try CertificateFields(der: der)
        let keyInfo = try SubjectPublicKeyInfo(der: fields.spki)
        let names = try fields.value(of: ObjectIdentifier.subjectAlternativeName).map { value throws(CryptoError) in
            try GeneralName.list(value)
        }
        let usages = try fields.value(of: ObjectIdentifier.extendedKeyUsage).map { value throws(CryptoError) in
            try Self.oidList(value)
        }
        let keyUsage = try fields.value(of: ObjectIdentifier.keyUsage).map { value throws(CryptoError) in
            try KeyUsage(der: value)
        }
        let raw = try Self.decode(der)  // from here on nothing throws before `self.raw` owns it
        guard let subject = Self.text(X509_get_subject_name(raw)), let issuer = Self.text(X509_get_issuer_name(raw)),
            let key = X509_get_pubkey(raw)
        else {
            X509_free(raw)
            throw .malformedBySSL("certificate")
        }
        // Also computes what OpenSSL caches lazily, so that later use from many threads only reads
        let flags = X509_get_extension_flags(raw)
        publicKey = PublicKey(owning: key, spki: fields.spki, info: keyInfo)
        self.der = der
        self.raw = raw
        self.fields = fields
        self.subject = subject
        self.issuer = issuer
        notBefore = fields.notBefore
        notAfter = fields.notAfter
        serialNumber = fields.serialNumber
        subjectAlternativeNames = names ?? []
        extendedKeyUsages = usages ?? []
        self.keyUsage = keyUsage
        isCertificateAuthority = flags & UInt32(EXFLAG_CA) != 0
        if flags & UInt32(EXFLAG_INVALID) != 0 { throw .malformedBySSL("certificate extensions") }
    }

    /// Decodes the only `CERTIFICATE` block of a PEM text; throws as ``init(der:)`` does.
    public convenience init(pem: String) throws(CryptoError) {
        try self.init(der: PEM.single("CERTIFICATE", in: pem))
    }

    deinit { X509_free(raw) }

    /// All certificates of a PEM text, in order; any other kind of block, or none at all, is `.malformed`.
    public static func list(pem: String) throws(CryptoError) -> [Certificate] {
        let blocks = try PEM.blocks(in: pem)
        guard !blocks.isEmpty else { throw .malformed(what: "PEM", detail: "no certificate") }
        var certificates: [Certificate] = []
        for block in blocks {
            guard block.label == "CERTIFICATE" else {
                throw .malformed(what: "PEM", detail: "\(block.label) where a CERTIFICATE belongs")
            }
            certificates.append(try Certificate(der: block.der))
        }
        return certificates
    }

    /// Whether subject and issuer are the same name, byte for byte (RFC 5280 §3.2).
    public var isSelfIssued: Bool { fields.subject == fields.issuer }

    /// The certificate as a PEM `CERTIFICATE` block.
    public var pem: String { PEM(label: "CERTIFICATE", der: der).text }

    /// The content of an extension's OCTET STRING, or nil when the certificate has no such extension.
    public func extensionValue(_ oid: String) -> [UInt8]? { fields.value(of: oid) }

    /// The dotted OIDs of all extensions, in the order of the certificate; none of them twice.
    public var extensionOIDs: [String] { fields.extensions.map(\.oid) }

    /// Whether an extension is present and marked critical.
    public func isCritical(extension oid: String) -> Bool {
        fields.extensions.contains { $0.oid == oid && $0.isCritical }
    }

    private static func decode(_ der: [UInt8]) throws(CryptoError) -> OpaquePointer {
        var raw: OpaquePointer?
        der.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            raw = d2i_X509(nil, &cursor, buffer.count)
        }
        guard let raw else { throw .malformedBySSL("certificate") }
        return raw
    }

    private static func oidList(_ value: [UInt8]) throws(CryptoError) -> [String] {
        var outer = DERReader(value, "extended key usage")
        var list = try outer.enter()
        try outer.finish()
        var oids: [String] = []
        while !list.isAtEnd { oids.append(try list.readObjectIdentifier()) }
        return oids
    }

    /// RFC 2253 text with UTF-8 left readable; control characters are escaped.
    private static func text(_ name: OpaquePointer?) -> String? {
        guard let name, let memory = BIO_new(BIO_s_mem()) else { return nil }
        defer { BIO_free(memory) }
        guard X509_NAME_print_ex(memory, name, 0, cossl_name_flags()) >= 0 else { return nil }
        var start: UnsafeMutablePointer<CChar>?
        let length = cossl_BIO_get_mem_data(memory, &start)
        guard let start, length > 0 else { return "" }
        return start.withMemoryRebound(to: UInt8.self, capacity: length) {
            String(decoding: UnsafeBufferPointer(start: $0, count: length), as: UTF8.self)
        }
    }
}

extension Certificate: Equatable {
    /// Equal certificates have equal bytes.
    public static func == (first: Certificate, second: Certificate) -> Bool { first.der == second.der }
}

extension CertificateFields {
    func value(of oid: String) -> [UInt8]? { extensions.first { $0.oid == oid }?.value }
}
