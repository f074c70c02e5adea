import FoundationEssentials

/// The parts of an X.509 certificate (RFC 5280 §4.1), read once, byte ranges kept as they stood.
struct CertificateFields {
    struct Extension {
        let oid: String
        let isCritical: Bool
        let value: [UInt8]
        let encoded: [UInt8]
    }

    let tbs: [UInt8]
    /// Everything of the TBSCertificate before the extensions, as it stood.
    let beforeExtensions: [UInt8]
    let signatureAlgorithm: [UInt8]
    let signature: [UInt8]
    let serialNumber: [UInt8]
    let issuer: [UInt8]
    let notBefore: Date
    let notAfter: Date
    let subject: [UInt8]
    let spki: [UInt8]
    let extensions: [Extension]

    /// Certificates come from anybody who may push, and each is decoded before anything vouches for it: a real one has a few
    /// kilobytes, and fewer than 30 extensions.
    private static let (maxBytes, maxExtensions) = (64 << 10, 100)

    init(der: [UInt8]) throws(CryptoError) {
        guard der.count <= Self.maxBytes else {
            throw .malformed(what: "certificate", detail: "\(der.count) bytes, at most \(Self.maxBytes) are read")
        }
        var outer = DERReader(der, "certificate")
        var certificate = try outer.enter()
        try outer.finish()
        let tbsElement = try certificate.read(DER.Tag.sequence)
        signatureAlgorithm = Array(try certificate.read(DER.Tag.sequence).encoded)
        signature = try certificate.readBitString()
        try certificate.finish()

        tbs = Array(tbsElement.encoded)
        var body = DERReader(tbsElement.content, "certificate")
        var version = try body.enter(DER.Tag.constructed(0))
        guard try version.readInteger() == 2 else { throw .unsupported("X.509 certificate that is not version 3") }
        try version.finish()
        // Negative serial numbers exist in the wild but not in Sigstore; RFC 5280 §4.1.2.2 forbids them
        serialNumber = try body.readMagnitude()
        guard try Array(body.read(DER.Tag.sequence).encoded) == signatureAlgorithm else {
            throw body.malformed("the two signature algorithms differ")
        }
        issuer = Array(try body.read(DER.Tag.sequence).encoded)
        var validity = try body.enter()
        notBefore = try ASN1Time.date(try validity.read())
        notAfter = try ASN1Time.date(try validity.read())
        try validity.finish()
        subject = Array(try body.read(DER.Tag.sequence).encoded)
        let key = try body.read(DER.Tag.sequence).encoded
        spki = Array(key)
        var end = key.endIndex
        for tag in [DER.Tag.context(1), DER.Tag.context(2)] {
            if let identifier = try body.readIfPresent(tag) { end = identifier.encoded.endIndex }
        }
        beforeExtensions = Array(der[tbsElement.content.startIndex..<end])
        extensions = try Self.readExtensions(&body)
        try body.finish()
    }

    private static func readExtensions(_ body: inout DERReader) throws(CryptoError) -> [Extension] {
        guard var wrapper = try body.readIfPresent(DER.Tag.constructed(3)).map({ DERReader($0.content, "certificate") })
        else { return [] }
        var list = try wrapper.enter()
        try wrapper.finish()
        var extensions: [Extension] = []
        while !list.isAtEnd {
            let element = try list.read(DER.Tag.sequence)
            var reader = DERReader(element.content, "certificate extension")
            let oid = try reader.readObjectIdentifier()
            let isCritical = reader.nextTag == DER.Tag.boolean ? try reader.readBoolean() : false
            let value = Array(try reader.read(DER.Tag.octetString).content)
            try reader.finish()
            // RFC 5280 §4.2: not more than one instance; which one would count is otherwise the parser's choice
            guard extensions.count < maxExtensions else {
                throw list.malformed("more than \(maxExtensions) extensions")
            }
            guard !extensions.contains(where: { $0.oid == oid }) else { throw list.malformed("extension \(oid) twice") }
            extensions.append(
                Extension(oid: oid, isCritical: isCritical, value: value, encoded: Array(element.encoded)))
        }
        return extensions
    }
}
