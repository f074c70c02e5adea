package import FoundationEssentials
package import OCI
import Postgres
package import Sigstore

/// A document about an artifact, and what became of it.
package struct AttestationRecord: Sendable {
    package let id: Int64
    /// State, error and signature: an attestation is a target like an image's signature.
    package let status: ArtifactStatus
    package let type: PredicateType
    /// What the document was found to be: `SPDX 2.3`.
    package let facts: String
    package let document: Document
    /// Whether, once attached, it supersedes older ones of its type.
    package let replaces: Bool
    package let takenAt: Date
    /// Until when it waits for its artifact to be signed.
    package let expiresAt: Date
    /// Whether that time was over when this was read, by the database's clock, which set it.
    package let isExpired: Bool
    /// The name of the token that sent it.
    package let sender: String
    /// How it went into the log, for each format it was published in.
    package let routes: [SignatureFormat: Route]
    package let supersededBy: Int64?
    package let supersededAt: Date?

    /// Whether it says what is known *now*.
    var isVEX: Bool { type.format.isVEX(facts) }

    /// The bytes that were sent.
    package struct Document: Sendable, Equatable {
        /// Where they are kept; nil once they are not.
        package let id: Int64?
        package let digest: Digest
        package let size: Int
    }

    /// How a document goes into the log.
    package enum Route: String, Sendable {
        /// It is the predicate of the statement that is signed.
        case inline
        /// It is an artifact of its own beside the image; the statement has its digest.
        case reference
    }
}

extension Purpose {
    private static let attestationPrefix = "attestation "

    /// The purpose of an attestation: the same document under the same type, sent twice, is the same target.
    package static func attestation(_ type: PredicateType, document: String) -> Purpose {
        Purpose(rawValue: "\(attestationPrefix)\(document) \(type.uri)")
    }

    /// Whether it is one of an attestation.
    package var isAttestation: Bool { rawValue.hasPrefix(Self.attestationPrefix) }

    /// The predicate type of an attestation's.
    package var predicateType: String? {
        guard isAttestation else { return nil }
        return rawValue.dropFirst(Self.attestationPrefix.utf8.count).split(separator: " ", maxSplits: 1).last.map(
            String.init)
    }
}

extension AttestationRecord {
    /// - Parameter status: of the same row.
    init(_ row: Row, status: ArtifactStatus) throws {
        guard let format = DocumentFormat(rawValue: try row.decode("format")) else {
            throw QueueError.unreadable(table: "attestation", what: "format")
        }
        id = try row.decode("attestation_id")
        self.status = status
        type = PredicateType(uri: try row.decode("predicate_type"), format: format)
        facts = try row.decode("facts")
        document = Document(
            id: try row.decode("document_id"), digest: try Digest(try row.decode("document_digest", as: String.self)),
            size: Int(try row.decode("document_size", as: Int64.self)))
        replaces = try row.decode("replaces")
        takenAt = try row.decode("taken_at")
        expiresAt = try row.decode("expires_at")
        isExpired = try row.decode("is_expired")
        sender = try row.decode("token_name")
        var routes: [SignatureFormat: Route] = [:]
        for (format, column) in [(SignatureFormat.bundle, "bundle_route"), (.legacy, "legacy_route")] {
            guard let text = try row.decode(column, as: String?.self) else { continue }
            guard let route = Route(rawValue: text) else {
                throw QueueError.unreadable(table: "attestation", what: column)
            }
            routes[format] = route
        }
        self.routes = routes
        supersededBy = try row.decode("superseded_by")
        supersededAt = try row.decode("superseded_at")
    }
}
