import OCI

@testable import Countersign

// The registry, up to COMMIT 3: `Publication`.
extension Simulation {
    mutating func publish(_ attempt: inout SimulatedAttempt) throws {
        let (held, place) = (attempt.held, place(attempt))
        let signature = attempt.evidence[attempt.format].signature
        switch attempt.step {
        case .checkServed:
            try registry()
            attempt.step = .next
            guard !outside.serves(signature, in: place) else { return }
            try write(attempt) { simulation throws(QueueError) in
                try simulation.queue.fence(held)
                simulation.queue.unsign(held.target, code: "registry.referrer_missing")
            }
            attempt.step = .takeTurn
        case .takeTurn:
            let now = queue.now
            let isMine = try write(attempt) { simulation throws(QueueError) -> Bool in
                try simulation.queue.fence(held)
                return simulation.journal.takeTurn(at: place, held.token, lasting: Self.turn, at: now)
            }
            guard isMine || flaw == .takesNoTurns else {
                counts.waitsForTurn += 1
                throw SigningError.subjectBusy
            }
            (attempt.turnUntil, attempt.rounds, attempt.step) = (now + Self.turn, 0, .pushBlob)
        case .pushBlob:
            try registry { $0.outside.pushBlob(signature) }
            attempt.step = .pushManifest
        case .pushManifest:
            try registry { $0.outside.pushManifest(signature) }
            attempt.step = .readList
        case .readList:
            try registry()
            attempt.list = outside.lists[place]
            attempt.step = attempt.list.contains(signature) ? .releaseTurn : .writeList
            if attempt.rounds == 5, case .writeList = attempt.step {
                throw OCIError.fallbackIndexContended(tag: "", attempts: 5)
            }
        case .writeList:
            let list = attempt.list + [signature]
            try registry { $0.outside.write(list, to: place) }
            attempt.rounds += 1
            attempt.step = .readList
        case .releaseTurn:
            try database { $0.journal.releaseTurn(at: place, held.token) }
            attempt.turnUntil = 0
            attempt.step = flaw == .settlesUnread ? .recordPush : .readBack
        case .readBack:
            try registry()
            guard outside.read(signature) else { throw SigningError.readBackDiffers("\(signature)") }
            attempt.step = .recordPush
        case .recordPush:
            try write(attempt) { simulation throws(QueueError) in
                try simulation.queue.fence(held)
                try simulation.journal.pushed(signature, for: held.jobID)
            }
            attempt.step = .next
        default: violate("not a step of a publication: \(attempt.step)")
        }
    }

    func place(_ attempt: SimulatedAttempt) -> Int { place(attempt.held.target, attempt.format) }
}
