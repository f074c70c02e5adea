public import FoundationEssentials

/// Everything of a certificate but the keys; ``issue(for:signedBy:issuer:)`` makes one. The lab's CAs use it.
///
/// For certificate transparency a template is issued twice: first with `isPrecertificate`, then without and with the
/// SCTs that the log gave for the first.
public struct CertificateTemplate: Sendable {
    /// An extension of the caller's own; `value` is the content of the OCTET STRING.
    public struct Extension: Sendable, Equatable {
        /// Its object identifier, in dotted decimal.
        public var oid: String
        /// Whether who does not know it must refuse the certificate.
        public var isCritical: Bool
        /// DER.
        public var value: [UInt8]

        /// An extension as it is to be written.
        public init(oid: String, isCritical: Bool = false, value: [UInt8]) {
            self.oid = oid
            self.isCritical = isCritical
            self.value = value
        }
    }

    /// What makes the certificate a CA's.
    public struct Authority: Sendable, Equatable {
        /// How many intermediates may follow; nil for any number.
        public var pathLength: Int?

        /// A CA with that path length.
        public init(pathLength: Int? = nil) { self.pathLength = pathLength }
    }

    /// Subject; empty by default, as in Fulcio's leaves.
    public var subject = DistinguishedName()
    /// Serial number, unsigned big-endian; 16 random bytes by default.
    public var serialNumber = CertificateTemplate.randomSerialNumber()
    /// First second of validity; fractions are cut off.
    public var notBefore: Date
    /// Last second of validity; fractions are cut off.
    public var notAfter: Date
    /// Written as a critical extension when the subject is empty (RFC 5280 §4.2.1.6).
    public var subjectAlternativeNames: [GeneralName] = []
    /// Written as a critical extension; nil for none.
    public var keyUsage: KeyUsage?
    /// Dotted OIDs; none for no extension.
    public var extendedKeyUsages: [String] = []
    /// Must be true for a timestamp authority (RFC 3161 §2.3).
    public var extendedKeyUsageIsCritical = false
    /// Nil for a leaf.
    public var authority: Authority?
    /// Further extensions, in order.
    public var extensions: [Extension] = []
    /// Adds the critical poison extension (RFC 6962 §3.1), which keeps the certificate from ever being trusted.
    public var isPrecertificate = false
    /// Written as the SCT list extension (RFC 6962 §3.3) unless empty.
    public var signedCertificateTimestamps: [SignedCertificateTimestamp] = []

    /// A template of a leaf without names and usages.
    public init(notBefore: Date, notAfter: Date) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// Signs a version 3 certificate for `publicKey`. `issuer` is the certificate of `key`; nil means self-signed, and
    /// then `key` must be the private half of `publicKey`.
    ///
    /// Subject and authority key identifiers are always written. Throws `.malformed` for names or OIDs that cannot be
    /// encoded, `.signatureInvalid` when `key` is not the issuer's.
    public func issue(
        for publicKey: PublicKey, signedBy key: PrivateKey, issuer: Certificate?
    ) throws(CryptoError) -> Certificate {
        guard key.publicKey == issuer?.publicKey ?? publicKey else { throw .signatureInvalid }
        let scheme = key.algorithm.defaultScheme
        let algorithm = try scheme.algorithmIdentifier()
        let subject = try subject.der()
        let extensions = try encodedExtensions(
            subjectKeyIdentifier: Self.keyIdentifier(of: publicKey),
            authorityKeyIdentifier: Self.keyIdentifier(of: key.publicKey))
        let tbs = DER.sequence(
            DER.element(DER.Tag.constructed(0), DER.integer(2)), DER.integer(serialNumber), algorithm,
            issuer?.fields.subject ?? subject,
            DER.sequence(ASN1Time.encode(notBefore), ASN1Time.encode(notAfter)), subject, publicKey.spki,
            DER.element(DER.Tag.constructed(3), DER.element(DER.Tag.sequence, extensions)))
        let signature = try key.sign(tbs, scheme)
        return try Certificate(der: DER.sequence(tbs, algorithm, DER.bitString(signature)))
    }

    private func encodedExtensions(
        subjectKeyIdentifier: [UInt8], authorityKeyIdentifier: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        var list: [Extension] = []
        func add(_ oid: String, critical: Bool = false, _ value: [UInt8]) {
            list.append(Extension(oid: oid, isCritical: critical, value: value))
        }
        if let keyUsage { add(ObjectIdentifier.keyUsage, critical: true, keyUsage.der) }
        if !extendedKeyUsages.isEmpty {
            var usages: [UInt8] = []
            for oid in extendedKeyUsages { usages += try DER.objectIdentifier(oid) }
            add(
                ObjectIdentifier.extendedKeyUsage, critical: extendedKeyUsageIsCritical,
                DER.element(DER.Tag.sequence, usages))
        }
        if let authority {
            let length = authority.pathLength.map { DER.integer(UInt64(max(0, $0))) } ?? []
            add(ObjectIdentifier.basicConstraints, critical: true, DER.sequence(DER.boolean(true), length))
        }
        add(ObjectIdentifier.subjectKeyIdentifier, DER.octetString(subjectKeyIdentifier))
        add(
            ObjectIdentifier.authorityKeyIdentifier,
            DER.sequence(DER.element(DER.Tag.context(0), authorityKeyIdentifier)))
        if !subjectAlternativeNames.isEmpty {
            var names: [UInt8] = []
            for name in subjectAlternativeNames { names += try name.encoded() }
            add(
                ObjectIdentifier.subjectAlternativeName, critical: subject.isEmpty,
                DER.element(DER.Tag.sequence, names))
        }
        list += extensions
        if isPrecertificate { add(ObjectIdentifier.precertificatePoison, critical: true, DER.null) }
        if !signedCertificateTimestamps.isEmpty {
            let encoded = SignedCertificateTimestamp.encode(list: signedCertificateTimestamps)
            add(ObjectIdentifier.signedCertificateTimestampList, DER.octetString(encoded))
        }
        var bytes: [UInt8] = []
        for item in list {
            let critical = item.isCritical ? DER.boolean(true) : []  // FALSE is the default, which DER leaves out
            bytes += DER.sequence(try DER.objectIdentifier(item.oid), critical, DER.octetString(item.value))
        }
        return bytes
    }

    /// RFC 5280 §4.2.1.2 method 1: SHA-1 of the public key's bits.
    private static func keyIdentifier(of key: PublicKey) throws(CryptoError) -> [UInt8] {
        var outer = DERReader(key.spki, "public key")
        var info = try outer.enter()
        _ = try info.read(DER.Tag.sequence)
        return Hash.sha1(try info.readBitString())
    }

    /// Positive, at most 20 bytes (RFC 5280 §4.1.2.2) and never with a leading zero.
    private static func randomSerialNumber() -> [UInt8] {
        var bytes = SecureRandom.bytes(16)
        bytes[0] = bytes[0] & 0x3F | 0x40
        return bytes
    }
}
