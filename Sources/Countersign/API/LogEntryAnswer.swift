import FoundationEssentials
import OCI
import StrictJSON

/// One of our entries in a log, as the API shows it. Absent members are not known.
struct LogEntryAnswer: Encodable {
    /// What it was signed for.
    struct Subject: Encodable {
        let reference: String
        /// Absent for a signature.
        let predicateType: String?
        let state: String
        /// What carries it: the bundle's referrer, or the blob under a legacy tag.
        let attachment: String?

        enum CodingKeys: String, CodingKey {
            case reference, state, attachment
            case predicateType = "predicate_type"
        }
    }

    let id: Int64
    /// `live`, or `abandoned`: then nothing that we publish has it.
    let state: String
    let abandonedAt: Date?
    let reason: String?
    let format: String
    let log: String
    let logID: String
    let logIndex: Int64
    let logUUID: String?
    let integratedAt: Date?
    let loggedAt: Date
    let identity: String?
    let issuer: String?
    let subjects: [Subject]
    /// Of a head of the audit log, which is about no artifact: its position.
    let auditPosition: Int64?
    /// The entry as the log gave it, with its proof, in the form that it has in a bundle; only where one entry is asked for.
    let entry: EncodableJSON?

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
        entry = isWhole ? (try? JSONValue(parsing: record.entry))?["entry"].map(EncodableJSON.init) : nil
    }
}

/// A document that is ours already, inside an answer.
struct EncodableJSON: Encodable {
    let value: JSONValue

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        switch value {
        case .object(let object):
            var container = encoder.container(keyedBy: Name.self)
            for member in object.members {
                try container.encode(EncodableJSON(value: member.value), forKey: Name(stringValue: member.name))
            }
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(EncodableJSON(value: element)) }
        case .string(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        case .bool(let isTrue):
            var container = encoder.singleValueContainer()
            try container.encode(isTrue)
        case .number(let text):
            var container = encoder.singleValueContainer()
            guard let number = Int64(text) else { return try container.encode(text) }
            try container.encode(number)
        case .null:
            var container = encoder.singleValueContainer()
            try container.encodeNil()
        }
    }
}
