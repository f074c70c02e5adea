@testable import Countersign

/// What `Journal` keeps of each target and format, as plain values: the three commits, what was looked for in vain, and what
/// was put aside. A signature is a number; the bytes for the log and the manifest that carries it go by the same number.
struct JournalModel: Sendable {
    typealias Time = QueueModel.Time

    struct EvidenceRow: Sendable, Equatable {
        let target: Int
        let format: Int
        let signature: Int
        let certificateEnd: Time
        var isLive = true
        /// When the log dated it (COMMIT 2).
        var entry: Time?
        var firstMissed: Time?
        var isPushed = false
        var isAbandoned = false
    }

    /// A signature that is not stored.
    struct Made: Sendable {
        let format: Int
        let signature: Int
        let certificateEnd: Time
    }

    var rows: [EvidenceRow] = []
    /// Of the turn at a subject: who has it until when.
    private(set) var turns: [Int: (token: Int64, until: Time)] = [:]
    /// Counts everything that is written of evidence.
    private(set) var revision = 0

    func live(_ target: Int, _ format: Int) -> EvidenceRow? {
        rows.first { $0.target == target && $0.format == format && $0.isLive }
    }

    /// COMMIT 1. What is there already stands.
    mutating func prepare(_ made: [Made], of target: Int) {
        for made in made where live(target, made.format) == nil {
            revision += 1
            rows.append(
                EvidenceRow(
                    target: target, format: made.format, signature: made.signature,
                    certificateEnd: made.certificateEnd))
        }
    }

    /// COMMIT 2.
    mutating func record(_ entry: Time, of signature: Int, for jobID: Int64) throws(QueueError) {
        guard let row = row(signature), rows[row].isLive else { throw .leaseLost(jobID: jobID) }
        guard rows[row].entry == nil else { return }
        revision += 1
        rows[row].entry = entry
    }

    /// COMMIT 3.
    mutating func pushed(_ signature: Int, for jobID: Int64) throws(QueueError) {
        guard let row = row(signature), rows[row].entry != nil else { throw .leaseLost(jobID: jobID) }
        revision += 1
        rows[row].isPushed = true
    }

    /// - Returns: when the log first did not have it.
    mutating func noteMissing(_ signature: Int, at now: Time, for jobID: Int64) throws(QueueError) -> Time {
        guard let row = row(signature), rows[row].entry == nil, !rows[row].isAbandoned else {
            throw .leaseLost(jobID: jobID)
        }
        revision += 1
        rows[row].firstMissed = rows[row].firstMissed ?? now
        return rows[row].firstMissed ?? now
    }

    mutating func abandon(_ signature: Int, entry: Time? = nil, for jobID: Int64) throws(QueueError) {
        guard let row = row(signature), rows[row].isLive else { throw .leaseLost(jobID: jobID) }
        revision += 1
        (rows[row].isLive, rows[row].isAbandoned) = (false, true)
        rows[row].entry = rows[row].entry ?? entry
    }

    /// As a process would that signs again without asking.
    mutating func replace(_ made: [Made], of target: Int) {
        for made in made {
            for row in rows.indices
            where rows[row].target == target && rows[row].format == made.format && rows[row].entry == nil {
                (rows[row].isLive, rows[row].isAbandoned) = (false, true)
            }
        }
        prepare(made, of: target)
    }

    /// - Returns: whether the turn is this attempt's now.
    mutating func takeTurn(at subject: Int, _ token: Int64, lasting: Time, at now: Time) -> Bool {
        if let turn = turns[subject], turn.until > now, turn.token != token { return false }
        turns[subject] = (token, now + lasting)
        return true
    }

    mutating func releaseTurn(at subject: Int, _ token: Int64) {
        if turns[subject]?.token == token { turns[subject] = nil }
    }

    private func row(_ signature: Int) -> Int? { rows.firstIndex { $0.signature == signature } }
}
