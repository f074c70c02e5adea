import OpenSSL

/// What a CT log signs of a precertificate: its TBSCertificate without the poison (RFC 6962 §3.1, §3.2).
struct Precertificate {
    /// DER of 1.3.6.1.4.1.11129.2.4.3, the poison extension's OID.
    private static let poison: [UInt8] = [0x06, 0x0A, 0x2B, 0x06, 0x01, 0x04, 0x01, 0xD6, 0x79, 0x02, 0x04, 0x03]
    private static let extensionsTag: UInt8 = 0xA3

    let tbs: [UInt8]

    /// - Throws: `LabError.token` naming what is missing: not a certificate, or not poisoned.
    init(der: [UInt8]) throws {
        guard let certificate = Self.elements(der).first, certificate.tag == 0x30,
            let tbs = Self.elements(certificate.content).first, tbs.tag == 0x30
        else { throw LabError.token("not a certificate") }
        var found = false
        var body: [UInt8] = []
        for field in Self.elements(tbs.content) {
            guard field.tag == Self.extensionsTag, let list = Self.elements(field.content).first else {
                body += field.encoded
                continue
            }
            let kept = Self.elements(list.content).filter { Array($0.content.prefix(Self.poison.count)) != Self.poison }
            found = kept.count < Self.elements(list.content).count
            body += DER.element(Self.extensionsTag, DER.element(0x30, kept.flatMap(\.encoded)))
        }
        guard found else { throw LabError.token("precertificate without poison") }
        self.tbs = DER.element(0x30, body)
    }

    private struct Element {
        let tag: UInt8
        let content: [UInt8]
        let encoded: [UInt8]
    }

    /// The DER elements that follow each other in `bytes`; stops at what is not DER.
    private static func elements(_ bytes: [UInt8]) -> [Element] {
        var elements: [Element] = []
        var rest = bytes[...]
        while rest.count >= 2 {
            let start = rest.startIndex
            var length = Int(rest[start + 1])
            var header = 2
            if length >= 0x80 {
                let count = length & 0x7F
                guard (1...3).contains(count), rest.count >= 2 + count else { return elements }
                length = rest[start + 2..<start + 2 + count].reduce(0) { $0 << 8 | Int($1) }
                header += count
            }
            guard rest.count >= header + length else { return elements }
            let end = start + header + length
            elements.append(
                Element(tag: rest[start], content: Array(rest[start + header..<end]), encoded: Array(rest[start..<end]))
            )
            rest = rest[end...]
        }
        return elements
    }
}
