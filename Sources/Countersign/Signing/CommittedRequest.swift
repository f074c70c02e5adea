import FoundationEssentials
import Sigstore

/// What a log gets of committed evidence, as it stands in the tables.
protocol CommittedRequest: Sendable {
    /// The log's URL.
    var log: String { get }
    /// The exact bytes.
    var bytes: [UInt8] { get }
    /// When the certificate ends; nil for a managed key.
    var certificateNotAfter: Date? { get }

    /// Throws once it may not be sent in our name any more.
    func checkMayBeSent() throws
    /// What time it is for the row.
    func databaseNow() async throws(QueueError) -> Date
    /// Notes that the log was asked and does not have the entry.
    /// - Returns: the database's time after the first look that found none.
    func noteMissing() async throws(QueueError) -> Date
    /// Puts the evidence aside.
    func abandon(reason: String) async throws(QueueError)
}

/// What a look for an entry came to.
enum EntryLook: Sendable {
    case found(TlogEntry)
    /// Is looked for again after that time; in the past, where it was put aside.
    case missing(until: Date)
}

extension CommittedRequest {
    /// The entry that a log in use makes or made of it.
    /// - Throws: ``SigningError/certificateExpired(at:until:)`` while the settling time runs, and once it was put aside.
    func entry(in log: any TransparencyLog) async throws -> TlogEntry {
        guard log.datesEntries, let end = certificateNotAfter,
            Date() >= end.addingTimeInterval(-Submission.margin)
        else {
            // nobody fences what a log gets: a Rekor v2 may make another entry of what a second daemon sends at the same time
            try checkMayBeSent()
            return try await log.submit(bytes)
        }
        let reason = "certificate ended \(end.formatted(.iso8601)); \(self.log) was asked twice and has no entry"
        switch try await look(after: end, reason: reason, { try await log.lookup(bytes) }) {
        case .found(let entry): return entry
        case .missing(let until): throw SigningError.certificateExpired(at: end, until: until)
        }
    }

    /// Looks for an entry that may be there, and puts the evidence aside at the second look that finds none.
    ///
    /// By the database's clock, which no step of ours moves: the second look begins at least the settling time after the
    /// first one that found nothing was over. A process that stands still in either must not take the time that went by for
    /// the time between them.
    /// - Parameter end: until when it may have been sent.
    func look(
        after end: Date, reason: String, _ lookup: () async throws -> TlogEntry?
    ) async throws -> EntryLook {
        let asked = try await databaseNow()
        if let entry = try await lookup() { return .found(entry) }
        let missed = try await noteMissing()
        let until = max(missed, end).addingTimeInterval(Submission.settling)
        if asked >= until { try await abandon(reason: reason) }
        return .missing(until: until)
    }
}
