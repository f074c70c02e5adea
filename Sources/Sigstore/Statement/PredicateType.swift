/// What kind of claim a statement makes: the URI that is signed, and what its documents must be.
public struct PredicateType: Sendable, Hashable, CustomStringConvertible {
    /// The predicate type as it stands in the statement.
    public let uri: String
    /// What a document must be to be attested under it.
    public let format: DocumentFormat

    /// The names that cosign's `--type` takes, and `vex`, `csaf` and `test-result`, which it has none for.
    ///
    /// CSAF has no predicate type that anybody has agreed on: this is the URI of its schema; whoever pins another writes
    /// that one instead of the name.
    public static let names: KeyValuePairs<String, PredicateType> = [
        "spdx": PredicateType("https://spdx.dev/Document", .spdxTagValue),
        "spdxjson": PredicateType("https://spdx.dev/Document", .spdxJSON),
        "cyclonedx": PredicateType("https://cyclonedx.org/bom", .cycloneDX),
        "openvex": PredicateType("https://openvex.dev/ns", .openVEX),
        "vex": PredicateType("https://openvex.dev/ns", .openVEX),
        "csaf": PredicateType("https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json", .csafVEX),
        "slsaprovenance": PredicateType("https://slsa.dev/provenance/v0.2", .provenance02),
        "slsaprovenance02": PredicateType("https://slsa.dev/provenance/v0.2", .provenance02),
        "slsaprovenance1": PredicateType("https://slsa.dev/provenance/v1", .provenance1),
        "vuln": PredicateType("https://cosign.sigstore.dev/attestation/vuln/v1", .vulnerabilityScan),
        "test-result": PredicateType("https://in-toto.io/attestation/test-result/v0.1", .testResult),
        "link": PredicateType("https://in-toto.io/Link/v1", .link),
        "custom": PredicateType("https://cosign.sigstore.dev/attestation/v1", .custom),
    ]

    /// Families whose later versions are documents of the same kind.
    private static let families: KeyValuePairs<String, DocumentFormat> = [
        "https://spdx.dev/Document": .spdxJSON, "https://cyclonedx.org/bom": .cycloneDX,
        "https://openvex.dev/ns": .openVEX,
    ]

    /// The longest URI; it is part of a key in the database.
    public static let maxBytes = 400

    /// Reads a name, or a URI of one's own.
    ///
    /// Nothing under `https://sigstore.dev/` can be asked for: a statement of ``Statement/cosignSignPredicateType`` is an
    /// image signature, and those are made of pushes that policy allows, never of documents.
    /// - Throws: ``SigstoreError/malformed(_:_:)``.
    public init(_ text: String) throws(SigstoreError) {
        if let known = Self.names.first(where: { $0.key == text }) {
            self = known.value
            return
        }
        guard Self.isURI(text), text.utf8.count <= Self.maxBytes else {
            let names = Self.names.map(\.key).joined(separator: ", ")
            throw .malformed(
                "predicate type", "\"\(printable(text, limit: 100))\" is none of \(names), and no absolute URI")
        }
        guard !text.lowercased().hasPrefix("https://sigstore.dev/") else {
            throw .malformed("predicate type", "\(printable(text, limit: 100)) is reserved for signatures")
        }
        if let named = Self.names.first(where: { $0.value.uri == text && $0.value.format != .spdxTagValue }) {
            self = named.value
        } else {
            let family = Self.families.first { text.hasPrefix($0.key + "/") }
            self.init(text, family?.value ?? .object)
        }
    }

    /// Reads a type of which somebody may have a document signed. A reference is none: what it says of the document that it
    /// names would count as our word, as for ``ReferencePredicate``s of our own it does.
    /// - Throws: ``SigstoreError/malformed(_:_:)``.
    public init(ofDocument text: String) throws(SigstoreError) {
        try self.init(text)
        guard uri != ReferencePredicate.type else {
            throw .malformed("predicate type", "\(uri) is reserved for documents that are too large for a statement")
        }
    }

    private init(_ uri: String, _ format: DocumentFormat) {
        self.uri = uri
        self.format = format
    }

    /// A stored pair, as read from `uri` and ``DocumentFormat/rawValue``.
    package init(uri: String, format: DocumentFormat) {
        self.init(uri, format)
    }

    public var description: String { uri }

    /// `scheme:rest` of printable ASCII without spaces and quotes (RFC 3986 §3, loosely).
    static func isURI(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return false }
        let scheme = text.utf8[..<colon]
        guard let first = scheme.first, (0x61...0x7A).contains(first | 0x20),
            scheme.allSatisfy({
                (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E].contains($0)
            })
        else { return false }
        let rest = text.utf8[text.utf8.index(after: colon)...]
        return !rest.isEmpty && rest.allSatisfy { $0 > 0x20 && $0 < 0x7F && ![0x22, 0x3C, 0x3E, 0x5C].contains($0) }
    }
}
