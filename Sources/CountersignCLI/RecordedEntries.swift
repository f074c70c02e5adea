import Countersign
import FoundationEssentials
import Sigstore
import StrictJSON

/// A page of our entries (`GET /v1/log-entries`).
struct RecordedEntries: Decodable {
    let count: Int
    /// Whether there are more than `count`.
    let countIsCapped: Bool
    let entries: [Received<LogEntryAnswer>]

    enum CodingKeys: String, CodingKey {
        case count, entries
        case countIsCapped = "count_is_capped"
    }
}

extension RecordedEntries {
    /// That there is none of what was asked for.
    func notFound(at daemon: APIClient, _ query: ArraySlice<(String, String)>) -> CommandFailure {
        CommandFailure(
            code: "rekor.entry_not_found",
            observed:
                "Rekor entry not found: the daemon at \(daemon.base) made none with \(query.map { "\($0.0) \($0.1)" }.joined(separator: ", "))",
            fix: "ask the log itself: it has everybody's entries (--rekor-url URL)", status: 1)
    }
}

extension LogEntryAnswer {
    /// For people.
    var lines: [(String, String)] {
        var lines = subjects.map { subject in
            ("for", subject.reference + (subject.predicateType.map { ", \($0)" } ?? "") + ", \(subject.state)")
        }
        if let auditPosition { lines.append(("for", "the daemon's audit log, up to row \(auditPosition)")) }
        lines += subjects.compactMap { subject in subject.attachment.map { ("published", "\($0) (\(format))") } }
        if let abandonedAt { lines.append(("put aside", "\(abandonedAt.apiText): \(reason ?? "")")) }
        return lines
    }
}

extension TlogEntry {
    /// The entry inside the answer of `GET /v1/log-entries/{id}`.
    init(record: [UInt8], uuid: String?) throws {
        guard let entry = try JSONValue(parsing: record)["entry"] else {
            throw CommandFailure(
                code: "cli.answer", observed: "the daemon's answer has no entry",
                fix: "Use a client of the daemon's version.")
        }
        try self.init(json: JSONValue.object(["entry": entry]).encoded())
        self.uuid = uuid
    }
}
