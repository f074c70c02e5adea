import StrictJSON

/// The in-toto reference predicate v0.1: a document that is too large for a statement, named by its digest.
public struct ReferencePredicate: Sendable {
    /// Its predicate type. The document's own would promise a predicate that is not in it.
    public static let type = "https://in-toto.io/attestation/reference/v0.1"

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
                        "dev.countersign/predicate-type": .string(predicateType),
                        "dev.countersign/size": .string(String(size)),
                    ]),
                ])
            ]),
        ])
    }

    /// Its JSON; equal predicates are equal bytes.
    public func encoded() -> [UInt8] { document.encoded() }
}
