/// A name of the subject alternative name extension, RFC 5280 §4.2.1.6.
public enum GeneralName: Sendable, Equatable {
    case email(String)
    case uri(String)
    case dns(String)
    /// `value` is the DER element inside `[0] EXPLICIT`.
    case otherName(oid: String, value: [UInt8])
    /// A kind that names nothing here (an address, a directory name …), by its context tag number.
    case other(tag: UInt8)

    /// The DER of the name, as it stands in GeneralNames.
    func encoded() throws(CryptoError) -> [UInt8] {
        switch self {
        case .email(let text): DER.element(DER.Tag.context(1), try Self.ia5(text))
        case .dns(let text): DER.element(DER.Tag.context(2), try Self.ia5(text))
        case .uri(let text): DER.element(DER.Tag.context(6), try Self.ia5(text))
        case .otherName(let oid, let value):
            DER.element(
                DER.Tag.constructed(0),
                try DER.objectIdentifier(oid) + DER.element(DER.Tag.constructed(0), value))
        case .other(let tag): throw .unsupported("writing a general name with tag \(tag)")
        }
    }

    /// The names of a SubjectAltName extension value.
    static func list(_ value: [UInt8]) throws(CryptoError) -> [GeneralName] {
        var outer = DERReader(value, "subject alternative name")
        var names = try outer.enter()
        try outer.finish()
        var list: [GeneralName] = []
        while !names.isAtEnd { list.append(try GeneralName(try names.read())) }
        return list
    }

    private init(_ element: DERReader.Element) throws(CryptoError) {
        switch element.tag {
        case DER.Tag.context(1): self = .email(try Self.text(element.content))
        case DER.Tag.context(2): self = .dns(try Self.text(element.content))
        case DER.Tag.context(6): self = .uri(try Self.text(element.content))
        case DER.Tag.constructed(0):
            var reader = DERReader(element.content, "other name")
            let oid = try reader.readObjectIdentifier()
            let value = try reader.read(DER.Tag.constructed(0)).content
            try reader.finish()
            self = .otherName(oid: oid, value: Array(value))
        default: self = .other(tag: element.tag & 0x1F)
        }
    }

    /// IA5String without control characters: a NUL in the middle of a name is how one name passes for another.
    private static func text(_ content: ArraySlice<UInt8>) throws(CryptoError) -> String {
        guard !content.isEmpty, content.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw .malformed(what: "subject alternative name", detail: "not printable ASCII")
        }
        return String(decoding: content, as: UTF8.self)
    }

    private static func ia5(_ text: String) throws(CryptoError) -> [UInt8] {
        let bytes = Array(text.utf8)
        _ = try Self.text(bytes[...])
        return bytes
    }
}
