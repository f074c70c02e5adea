package import FoundationEssentials
import OCI
import Sigstore

/// An attestation as the API shows it. Absent members are not known (yet).
package struct AttestationAnswer: StandingAnswer, Codable, Sendable {
    package let id: Int64
    /// The artifact that it is about.
    package let reference: String
    package let predicateType: String
    /// What the document was found to be.
    package let facts: String
    package let document: Document
    package let state: String
    package let recheck: Bool?
    package let broken: Bool?
    package let replaces: Bool
    /// How it went into the log, by format; absent before.
    package let routes: [String: String]?
    package let sender: String
    package let takenAt: Date
    /// Until when it waits for its artifact; absent once it is signed.
    package let expiresAt: Date?
    package let supersededBy: Int64?
    package let supersededAt: Date?
    package let attempts: Int
    package let rule: String?
    package let nextAttemptAt: Date?
    package let lastError: Failure?
    package let signature: ArtifactAnswer.Signature?

    package struct Document: Codable, Sendable {
        package let digest: String
        package let size: Int
        /// Where its bytes are; absent once they are not kept.
        package let url: String?
    }

    enum CodingKeys: String, CodingKey {
        case id, facts, document, replaces, routes, sender, reference, state, recheck, broken, signature, rule, attempts
        case predicateType = "predicate_type"
        case takenAt = "taken_at"
        case expiresAt = "expires_at"
        case supersededBy = "superseded_by"
        case supersededAt = "superseded_at"
        case lastError = "last_error"
        case nextAttemptAt = "next_attempt_at"
    }

    init(_ record: AttestationRecord) {
        let artifact = ArtifactAnswer(record.status)
        id = record.id
        reference = artifact.reference
        predicateType = record.type.uri
        facts = record.facts
        document = Document(
            digest: record.document.digest.description, size: record.document.size,
            url: record.document.id == nil ? nil : "/v1/attestations/\(record.id)/document")
        state = artifact.state
        recheck = artifact.recheck
        broken = artifact.broken
        replaces = record.replaces
        routes =
            record.routes.isEmpty
            ? nil : Dictionary(uniqueKeysWithValues: record.routes.map { ($0.key.rawValue, $0.value.rawValue) })
        sender = record.sender
        takenAt = record.takenAt
        expiresAt = artifact.signature == nil ? record.expiresAt : nil
        supersededBy = record.supersededBy
        supersededAt = record.supersededAt
        attempts = artifact.attempts
        rule = artifact.rule
        nextAttemptAt = artifact.nextAttemptAt
        lastError = artifact.lastError
        signature = artifact.signature
    }
}
