package import FoundationEssentials
import OCI
import StrictJSON

/// One of our entries in a log, as the API shows it. Absent members are not known.
package struct LogEntryAnswer: Codable, Sendable {
    /// What it was signed for.
    package struct Subject: Codable, Sendable {
        package let reference: String
        /// Absent for a signature.
        package let predicateType: String?
        package let state: String
        /// What carries it: the bundle's referrer, or the blob under a legacy tag.
        package let attachment: String?

        enum CodingKeys: String, CodingKey {
            case reference, state, attachment
            case predicateType = "predicate_type"
        }
    }

    package let id: Int64
    /// `live`, or `abandoned`: then nothing that we publish has it.
    package let state: String
    package let abandonedAt: Date?
    package let reason: String?
    package let format: String
    package let log: String
    package let logID: String
    package let logIndex: Int64
    package let logUUID: String?
    package let integratedAt: Date?
    package let loggedAt: Date
    package let identity: String?
    package let issuer: String?
    package let subjects: [Subject]
    /// Of a head of the audit log, which is about no artifact: its position.
    package let auditPosition: Int64?
    /// The entry as the log gave it, with its proof, in the form that it has in a bundle; only where one entry is asked for.
    package let entry: CodableJSON?

    enum CodingKeys: String, CodingKey {
        case id, state, reason, format, log, identity, issuer, subjects, entry
        case abandonedAt = "abandoned_at"
        case auditPosition = "audit_position"
        case logID = "log_id"
        case logIndex = "log_index"
        case logUUID = "log_uuid"
        case integratedAt = "integrated_at"
        case loggedAt = "logged_at"
    }

    init(_ record: LogEntryRecord, isWhole: Bool = false) {
        id = record.id
        state = record.abandoned == nil ? "live" : "abandoned"
        abandonedAt = record.abandoned?.at
        reason = record.abandoned?.reason
        format = record.format.rawValue
        log = record.log
        logID = record.logID
        logIndex = record.logIndex
        logUUID = record.logUUID
        integratedAt = record.integratedAt
        loggedAt = record.loggedAt
        identity = record.identity
        issuer = record.issuer
        subjects = record.subjects.map { subject in
            Subject(
                reference: "\(subject.repository)@\(subject.digest)", predicateType: subject.purpose.predicateType,
                state: subject.state.rawValue, attachment: subject.attachment?.description)
        }
        auditPosition = record.auditPosition
        entry = isWhole ? (try? JSONValue(parsing: record.entry))?["entry"].map(CodableJSON.init) : nil
    }
}
