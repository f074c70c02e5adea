package import FoundationEssentials
import OCI

/// An alert as the API shows it.
package struct AlertAnswer: Codable, Sendable {
    package let id: Int64
    package let code, state, observed, fix: String
    package let repository, digest: String?
    package let facts: [String: String]
    package let raisedAt, seenAt: Date
    package let times: Int
    package let acknowledgedAt: Date?
    package let acknowledgedBy, note: String?
    package let endedAt: Date?

    enum CodingKeys: String, CodingKey {
        case id, code, state, observed, fix, repository, digest, facts, times, note
        case raisedAt = "raised_at"
        case seenAt = "seen_at"
        case acknowledgedAt = "acknowledged_at"
        case acknowledgedBy = "acknowledged_by"
        case endedAt = "ended_at"
    }

    init(_ alert: RaisedAlert) {
        id = alert.id
        code = alert.code
        state = alert.state.rawValue
        observed = alert.observed
        fix = alert.fix
        repository = alert.repository?.description
        digest = alert.digest?.description
        facts = alert.facts
        raisedAt = alert.raisedAt
        seenAt = alert.seenAt
        times = alert.times
        acknowledgedAt = alert.acknowledgedAt
        acknowledgedBy = alert.acknowledgedBy
        note = alert.note
        endedAt = alert.endedAt
    }
}
