/// Why a document is not attested: it is not what it was said to be, or not what its specification asks for.
public struct DocumentError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What it should have been, such as `SPDX JSON`.
    public let format: String
    /// Where in the document, such as `packages[3].SPDXID` or `line 12`; empty for the document as a whole.
    public let place: String
    /// What was seen there; it quotes at most a few words of the document.
    public let observed: String
    /// What whoever sent it can do.
    public let fix: String

    /// Stable, for logs and the API.
    public var code: String { "attestation.document_invalid" }

    public var description: String {
        "not \(format) as it can be signed: \(place.isEmpty ? "" : "\(place): ")\(observed)"
    }

    init(_ format: String, at place: String, _ observed: String, fix: String) {
        self.format = format
        self.place = place
        self.observed = observed
        self.fix = fix
    }
}
