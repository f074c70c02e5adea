public import StrictJSON

/// The in-toto reference predicate v0.1: a document that is too large for a statement, named by its digest.
public struct ReferencePredicate: Sendable {
    /// Its predicate type. The document's own would promise a predicate that is not in it.
    public static let type = "https://in-toto.io/attestation/reference/v0.1"

    /// Of which type the document would be.
    static let predicateTypeAnnotation = "dev.countersign/predicate-type"
    /// Its size in bytes.
    static let sizeAnnotation = "dev.countersign/size"

    /// A document that a statement of this type names.
    public struct Document: Sendable, Equatable {
        /// SHA-256, lower-case hex: what is signed of it.
        public let sha256: String
        /// What it is, for readers.
        public let mediaType: String?
        /// `host/repository@digest` of the manifest that holds it, where it was when it was signed; nil if it is no place in
        /// a registry.
        public let location: String?
        /// Of which type the document would be; others than we need not say.
        public let predicateType: String?
        /// In bytes; others than we need not say.
        public let size: Int?
    }

    /// The documents that the predicate of a verified statement names: ours one, at most 64.
    /// - Throws: ``SigstoreError/malformed(_:_:)``.
    public static func documents(in predicate: JSONValue) throws(SigstoreError) -> [Document] {
        let field = JSONField(predicate, path: "reference predicate")
        var documents: [Document] = []
        for reference in try field.required("references").elements(atMost: 64) {
            let digest = try reference.required("digest").required("sha256")
            guard try digest.hex().count == 32, try digest.string() == digest.string().lowercased() else {
                throw digest.malformed("not 64 lower-case hex digits")
            }
            let location = try reference.optional("downloadLocation")?.string()
            let annotations = try reference.optional("annotations")?.value
            documents.append(
                Document(
                    sha256: try digest.string(), mediaType: try reference.optional("mediaType")?.string(),
                    location: location.flatMap { $0.hasPrefix("oci://") ? String($0.dropFirst(6)) : nil },
                    predicateType: annotations?[predicateTypeAnnotation]?.text,
                    size: annotations?[sizeAnnotation]?.text.flatMap { Int($0) }))
        }
        return documents
    }

    private let document: JSONValue

    /// - Parameters:
    ///   - predicateType: of which type the document would be, as an annotation for readers.
    ///   - digest: SHA-256 of the document, lower-case hex.
    ///   - size: of the document, in bytes.
    ///   - location: where it was put: `host/repository@digest` of the manifest that holds it.
    public init(predicateType: String, mediaType: String, digest: String, size: Int, location: String) {
        document = .object([
            "attester": .object(["id": .string("https://countersign.dev")]),
            "references": .array([
                .object([
                    "downloadLocation": .string("oci://\(location)"), "digest": .object(["sha256": .string(digest)]),
                    "mediaType": .string(mediaType),
                    "annotations": .object([
                        Self.predicateTypeAnnotation: .string(predicateType),
                        Self.sizeAnnotation: .string(String(size)),
                    ]),
                ])
            ]),
        ])
    }

    /// Its JSON; equal predicates are equal bytes.
    public func encoded() -> [UInt8] { document.encoded() }
}
