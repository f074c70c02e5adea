import FoundationEssentials
import OCI
import Sigstore

/// An attestation as the API shows it. Absent members are not known (yet).
struct AttestationAnswer: Encodable {
    let id: Int64
    let predicateType: String
    /// What the document was found to be.
    let facts: String
    let document: Document
    let replaces: Bool
    /// How it went into the log, by format.
    let routes: [String: String]
    let sender: String
    let takenAt: Date
    let expiresAt: Date
    let supersededBy: Int64?
    let supersededAt: Date?
    /// State, error and signature, as of an artifact.
    let artifact: ArtifactAnswer

    struct Document: Encodable {
        let digest: String
        let size: Int
        /// Where its bytes are; absent once they are not kept.
        let url: String?
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
        id = record.id
        predicateType = record.type.uri
        facts = record.facts
        document = Document(
            digest: record.document.digest.description, size: record.document.size,
            url: record.document.id == nil ? nil : "/v1/attestations/\(record.id)/document")
        replaces = record.replaces
        routes = Dictionary(uniqueKeysWithValues: record.routes.map { ($0.key.rawValue, $0.value.rawValue) })
        sender = record.sender
        takenAt = record.takenAt
        expiresAt = record.expiresAt
        supersededBy = record.supersededBy
        supersededAt = record.supersededAt
        artifact = ArtifactAnswer(record.status)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(artifact.reference, forKey: .reference)
        try container.encode(predicateType, forKey: .predicateType)
        try container.encode(facts, forKey: .facts)
        try container.encode(document, forKey: .document)
        try container.encode(artifact.state, forKey: .state)
        try container.encode(artifact.recheck, forKey: .recheck)
        try container.encode(artifact.broken, forKey: .broken)
        try container.encode(replaces, forKey: .replaces)
        if !routes.isEmpty { try container.encode(routes, forKey: .routes) }
        try container.encode(sender, forKey: .sender)
        try container.encode(takenAt, forKey: .takenAt)
        if artifact.signature == nil { try container.encode(expiresAt, forKey: .expiresAt) }
        try container.encodeIfPresent(supersededBy, forKey: .supersededBy)
        try container.encodeIfPresent(supersededAt, forKey: .supersededAt)
        try container.encode(artifact.attempts, forKey: .attempts)
        try container.encodeIfPresent(artifact.rule, forKey: .rule)
        try container.encodeIfPresent(artifact.nextAttemptAt, forKey: .nextAttemptAt)
        try container.encodeIfPresent(artifact.lastError, forKey: .lastError)
        try container.encodeIfPresent(artifact.signature, forKey: .signature)
    }
}
