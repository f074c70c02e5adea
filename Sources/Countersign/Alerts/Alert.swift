package import FoundationEssentials
package import OCI
import Postgres

/// Something that somebody has to look at, before it is stored.
package struct Alert: Sendable, Equatable {
    /// What is wrong: stable, for machines. `docs/operations.md` says what each means and what to do.
    package enum Code: String, Sendable, CaseIterable {
        /// A signature that we published, or our record of it, does not verify any more.
        case signatureRejected = "signature.rejected"
        /// A registry serves other bytes than the digest of what we published names.
        case signatureTampered = "signature.tampered"
        /// A log has an entry under one of our identities that our records do not explain.
        case unknownEntry = "identity.unknown_entry"
        /// A log that its instance replaced has entries that nobody looked at, or may have, and cannot be read.
        case logUnread = "log.unread"
        /// The place in a log of something that we signed is another row's: it cannot be recorded, and so not published.
        case placeTaken = "evidence.place_taken"

        /// Whether only the identity monitor looks for it.
        var isOfIdentityMonitor: Bool { self == .unknownEntry || self == .logUnread }
    }

    package let code: Code
    /// What it is about, within its code: one alert stands for it at a time, however often it is met.
    package let subject: String
    /// The artifact, if it is about one.
    package var repository: Repository?
    package var digest: Digest?
    /// What that was signed for.
    package var purpose: Purpose?
    /// What was seen, without secrets.
    package let observed: String
    /// What to do about it.
    package let fix: String
    /// More for whoever looks: names and values.
    package var facts: [String: String] = [:]

    package init(_ code: Code, about subject: String, observed: String, fix: String) {
        self.code = code
        self.subject = subject
        self.observed = Failure.printable(observed, limit: 2_000)
        self.fix = Failure.printable(fix, limit: 500)
    }

    /// Its key in the table.
    var key: String { Failure.printable("\(code.rawValue):\(subject)", limit: 512) }
}

/// An alert as it is stored.
package struct RaisedAlert: Sendable {
    package enum State: String, Sendable, CaseIterable {
        /// Nobody has said that he has seen it.
        case open
        /// Somebody has; its cause stands.
        case acknowledged
        /// Its cause is gone.
        case ended
    }

    package let id: Int64
    package let code: String
    package let repository: Repository?
    package let digest: Digest?
    /// What its target is signed for; nil where it is about no target.
    package let purpose: Purpose?
    package let observed: String
    package let fix: String
    package let facts: [String: String]
    package let raisedAt: Date
    /// When its cause was last met, and how often.
    package let seenAt: Date
    package let times: Int
    package let acknowledgedAt: Date?
    package let acknowledgedBy: String?
    package let note: String?
    package let endedAt: Date?

    package var state: State { endedAt != nil ? .ended : acknowledgedAt != nil ? .acknowledged : .open }

    /// Whether a token with that scope may see it. What is about no repository is about all; of what is about no target nobody
    /// can say that it is of the right predicate type.
    func isWithin(_ scope: TokenScope) -> Bool {
        guard let repository, scope.allows(repository) else { return false }
        return purpose.map { scope.allows($0) } ?? (scope.onlyTypes == nil)
    }
}

extension RaisedAlert {
    init(_ row: Row) throws {
        id = try row.decode("id")
        code = try row.decode("code")
        let registry: String? = try row.decode("registry")
        repository = try registry.map { try Repository(registry: $0, name: try row.decode("name")) }
        digest = try row.decode("digest", as: String?.self).map { try Digest($0) }
        purpose = try row.decode("purpose", as: String?.self).map(Purpose.init(rawValue:))
        observed = try row.decode("observed")
        fix = try row.decode("fix")
        facts = try JSONDecoder().decode(
            [String: String].self, from: Data(try row.decode("facts", as: String.self).utf8))
        raisedAt = try row.decode("raised_at")
        seenAt = try row.decode("seen_at")
        times = Int(try row.decode("times", as: Int32.self))
        acknowledgedAt = try row.decode("acknowledged_at")
        acknowledgedBy = try row.decode("acknowledged_by")
        note = try row.decode("note")
        endedAt = try row.decode("ended_at")
    }
}
