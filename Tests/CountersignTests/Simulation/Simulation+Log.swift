import Sigstore

@testable import Countersign

// The log, up to COMMIT 2: `Submission` and the second half of `EvidenceLine`.
extension Simulation {
    /// The log was asked, has no entry yet, and is to be asked again.
    struct AsksAgain: Error {
        let after: Duration
    }

    mutating func enter(_ attempt: inout SimulatedAttempt) throws {
        let row = attempt.evidence[attempt.format]
        let jobID = attempt.held.jobID
        switch attempt.step {
        case .examine:
            let isTaken = !outside.datesEntries || queue.now < row.certificateEnd - Self.margin
            attempt.step = isTaken ? .submit : .ask
            if row.entry != nil { attempt.step = row.isPushed ? .checkServed : .takeTurn }
        case .submit:
            attempt.entry = try submit(row.signature)
            attempt.step = .recordEntry
        case .ask:
            try database()
            attempt.asked = queue.now
            attempt.step = .lookUp
        case .lookUp:
            guard fault() == .none else { throw Self.unavailable(.rekor) }
            attempt.entry = outside.lookUp(row.signature, at: queue.now)
            attempt.step = attempt.entry == nil ? .noteMissing : .recordEntry
        case .noteMissing:
            attempt.missed = try write(attempt) { simulation throws(QueueError) in
                try simulation.queue.fence(attempt.held)
                return try simulation.journal.noteMissing(row.signature, at: simulation.queue.now, for: jobID)
            }
            attempt.step = .giveUp
        case .giveUp:
            let until = max(attempt.missed, row.certificateEnd) + Self.settling
            if (flaw == .datesLookAfterwards ? queue.now : attempt.asked) >= until {
                try write(attempt) { simulation throws(QueueError) in
                    try simulation.queue.fence(attempt.held)
                    try simulation.journal.abandon(row.signature, for: jobID)
                }
            }
            throw AsksAgain(after: .milliseconds(max(0, until - queue.now)))
        case .recordEntry:
            guard let entry = attempt.entry else { return violate("no entry to record") }
            try recordEntry(entry, row, &attempt)
        default: violate("not a step of the log: \(attempt.step)")
        }
    }

    private mutating func recordEntry(
        _ entry: Time, _ row: JournalModel.EvidenceRow, _ attempt: inout SimulatedAttempt
    ) throws {
        let isDatedOutside = outside.datesEntries && entry > row.certificateEnd
        let (held, signature) = (attempt.held, row.signature)
        try write(attempt) { simulation throws(QueueError) in
            try simulation.queue.fence(held)
            if isDatedOutside {
                try simulation.journal.abandon(signature, entry: entry, for: held.jobID)
            } else {
                try simulation.journal.record(entry, of: signature, for: held.jobID)
            }
        }
        if isDatedOutside {
            throw SigningError.ownOutputRejected(code: "verify.certificate_validity", observed: "dated outside")
        }
        attempt.step = .takeTurn
    }

    /// Sends the bytes; whatever happens to the answer, the log may have taken them, now or later.
    @discardableResult
    mutating func submit(_ signature: Int) throws -> Time {
        if !journal.rows.contains(where: { $0.signature == signature }) {
            violate("signature \(signature) goes to the log and is in no committed row")
        }
        let fault = temper == .expiring && !isCalm && dice.perMille(400) ? Fault.lost : fault()
        guard fault != .error else { throw Self.unavailable(.rekor) }
        let delay = fault == .lost && dice.perMille(500) ? 1_000 + dice.below(100_000) : 0
        if delay > 0 { counts.lateEntries += 1 }
        let entry = outside.submit(signature, at: queue.now, delay: delay)
        // until nobody waits for the answer any more
        if fault == .lost, temper == .expiring { pass(dice.below(200_000)) }
        guard fault == .none, let entry else { throw Self.unavailable(.rekor) }
        return entry
    }

    static let margin = Int(Submission.margin * 1_000)
    static let settling = Int(Submission.settling * 1_000)
}
