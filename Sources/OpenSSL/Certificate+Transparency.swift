extension Certificate {
    /// The SCTs embedded in the certificate (RFC 6962 §3.3); empty when it has no such extension.
    ///
    /// Throws `.malformed` for an extension that is not a clean, non-empty list.
    public func signedCertificateTimestamps() throws(CryptoError) -> [SignedCertificateTimestamp] {
        guard let value = extensionValue(ObjectIdentifier.signedCertificateTimestampList) else { return [] }
        var reader = DERReader(value, "signed certificate timestamp list")
        let list = try reader.read(DER.Tag.octetString).content
        try reader.finish()
        return try SignedCertificateTimestamp.list(tls: Array(list))
    }

    /// The TBSCertificate that a log signs: without the SCT list and without the poison (RFC 6962 §3.2), all other bytes
    /// as they stand. A certificate and the precertificate it was made from give the same bytes.
    ///
    /// Precertificates signed by a dedicated precertificate signing certificate (its issuer would have to be replaced)
    /// are not supported; Fulcio has none.
    public func precertificateTBS() throws(CryptoError) -> [UInt8] {
        let removed = [ObjectIdentifier.signedCertificateTimestampList, ObjectIdentifier.precertificatePoison]
        let kept = fields.extensions.filter { !removed.contains($0.oid) }.flatMap(\.encoded)
        guard kept.isEmpty == false else { return DER.element(DER.Tag.sequence, fields.beforeExtensions) }
        let extensions = DER.element(DER.Tag.constructed(3), DER.element(DER.Tag.sequence, kept))
        return DER.element(DER.Tag.sequence, fields.beforeExtensions + extensions)
    }
}
