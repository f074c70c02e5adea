/// What one of our requests to Rekor v1 must become in the log.
enum RekorV1Entry: Equatable {
    case dsse(DSSEEntry)
    case hashedRekord(HashedRekordEntry)

    /// The request for a submission.
    static func request(for submission: LogSubmission) throws(SigstoreError) -> [UInt8] {
        switch submission.content {
        case .envelope(let envelope):
            guard envelope.signatures.count == 1 else {
                throw .unsupported("logging an envelope of several signatures")
            }
            return DSSEEntry.request(envelope: envelope, verifierPEM: submission.signer.pem)
        case .message(let digest, let signature):
            let entry = try HashedRekordEntry(
                digest: digest, signature: signature, verifierPEM: submission.signer.pem)
            return entry.canonicalizedBody
        }
    }

    /// What the entry for a request must say.
    init(request: [UInt8]) throws(SigstoreError) {
        let document = try JSONField(document: "log request", parsing: request)
        switch try document.required("kind").string() {
        case DSSEEntry.kind: self = .dsse(try DSSEEntry(request: document))
        case HashedRekordEntry.kind: self = .hashedRekord(try HashedRekordEntry(document))
        default: throw .unsupported("a log request other than dsse 0.0.1 and hashedrekord 0.0.1")
        }
    }

    /// Reads the body of an entry that the log returned.
    init(_ entry: TlogEntry) throws(SigstoreError) {
        let body = try JSONField(document: "tlog entry body", parsing: entry.canonicalizedBody)
        switch (entry.kind, entry.version) {
        case (DSSEEntry.kind, DSSEEntry.version): self = .dsse(try DSSEEntry(body: body))
        case (HashedRekordEntry.kind, HashedRekordEntry.version): self = .hashedRekord(try HashedRekordEntry(body))
        default:
            throw .malformed(
                "tlog entry", "kind \(printable(entry.kind, limit: 40)) \(printable(entry.version, limit: 40))")
        }
    }

    /// The leaf that the log stores for this entry.
    var canonicalizedBody: [UInt8] {
        switch self {
        case .dsse(let entry): entry.canonicalizedBody
        case .hashedRekord(let entry): entry.canonicalizedBody
        }
    }

    /// Whether both are of the same signature over the same content.
    func isSameSignature(as other: RekorV1Entry) -> Bool {
        switch (self, other) {
        case (.dsse(let mine), .dsse(let theirs)):
            // other JSON spelling of the envelope has another hash and is the same signature: compare what is signed
            mine.payloadHash == theirs.payloadHash
                && mine.signatures.map(\.signature) == theirs.signatures.map(\.signature)
        case (.hashedRekord(let mine), .hashedRekord(let theirs)):
            mine.digest == theirs.digest && mine.signature == theirs.signature
        default: false
        }
    }
}
