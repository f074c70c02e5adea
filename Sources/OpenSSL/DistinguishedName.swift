/// The few attributes of an X.501 name that this project writes. Both absent is the empty name.
public struct DistinguishedName: Sendable, Equatable {
    /// Common name (2.5.4.3).
    public var commonName: String?
    /// Organization (2.5.4.10).
    public var organization: String?

    /// A name of the given attributes; organization comes first, as Fulcio writes it.
    public init(commonName: String? = nil, organization: String? = nil) {
        self.commonName = commonName
        self.organization = organization
    }

    var isEmpty: Bool { commonName == nil && organization == nil }

    func der() throws(CryptoError) -> [UInt8] {
        var relative: [UInt8] = []
        for (oid, value) in [("2.5.4.10", organization), ("2.5.4.3", commonName)] {
            guard let value else { continue }
            let attribute = DER.sequence(try DER.objectIdentifier(oid), DER.utf8String(value))
            relative += DER.set(of: [attribute])
        }
        return DER.element(DER.Tag.sequence, relative)
    }
}
