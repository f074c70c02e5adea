/// One check that was made and passed: what was looked at, and what it was compared with.
public struct VerificationStep: Sendable, Equatable {
    /// The check; one that fails throws a ``VerificationError`` with the same name.
    public let check: VerificationError.Check
    /// What was seen, in one line; text from outside is cut and cleaned.
    public let seen: String
    /// What it was compared with, or whose word was taken; nil where ``seen`` says both.
    public let against: String?

    init(_ check: VerificationError.Check, _ seen: String, against: String? = nil) {
        self.check = check
        self.seen = seen
        self.against = against
    }

    /// The section of the Sigstore client specification that asks for it, such as `4.2.1`.
    public var clause: String { check.clause }
}

extension VerificationStep: CustomStringConvertible {
    /// `name: what was seen (against what)`.
    public var description: String { "\(check.name): \(seen)" + (against.map { " (against \($0))" } ?? "") }
}

extension VerificationStep: Encodable {
    private enum Key: String, CodingKey { case clause, check, seen, against }

    /// `{"clause", "check", "seen", "against"}`; `check` is the stable name that errors carry.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(clause, forKey: .clause)
        try container.encode(check.rawValue, forKey: .check)
        try container.encode(seen, forKey: .seen)
        try container.encodeIfPresent(against, forKey: .against)
    }
}

extension VerificationError.Check {
    /// The section of the Sigstore client specification (architecture-docs, `client-spec.md`) that asks for this check.
    public var clause: String {
        switch self {
        case .material: "4.1"
        case .timestamp: "4.2.1"
        case .signedEntryTimestamp: "4.2.2"
        case .time: "4.2"
        case .chain, .certificateValidity, .certificateTimestamp, .identity, .issuer, .certificateExtension: "4.3"
        case .log, .tlogEntry, .tlogBody, .inclusionProof, .checkpoint: "4.4"
        case .signature, .statement, .subject, .payload: "4.5"
        // the specification leaves to the verifier's policy what a verified payload may say
        case .predicateType, .repository: "4"
        }
    }

    /// A name for people.
    public var name: String {
        switch self {
        case .material: "material"
        case .signature: "signature"
        case .statement: "statement"
        case .payload: "payload"
        case .subject: "artifact"
        case .predicateType: "predicate type"
        case .repository: "repository"
        case .timestamp, .time, .signedEntryTimestamp: "time"
        case .log: "log"
        case .chain, .certificateValidity: "certificate"
        case .certificateTimestamp: "certificate transparency"
        case .identity: "identity"
        case .issuer: "issuer"
        case .certificateExtension: "certificate extension"
        case .tlogEntry: "log"
        case .tlogBody: "log entry"
        case .inclusionProof: "inclusion"
        case .checkpoint: "checkpoint"
        }
    }
}
