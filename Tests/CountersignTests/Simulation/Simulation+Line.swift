import Curl
import Postgres
import Sigstore

@testable import Countersign
@testable import OCI

// One step of one attempt: `SignArtifact`, and `EvidenceLine` up to COMMIT 1.
extension Simulation {
    mutating func advance(_ daemon: Int, _ slot: Int) {
        var attempt = daemons[daemon].attempts[slot]
        do {
            if attempt.isStopped, attempt.outcome == nil { throw CancellationError() }
            tell("\(daemon) · token \(attempt.held.token) · \(attempt.step) \(attempt.format)")
            try step(&attempt, daemon)
        } catch {
            fail(&attempt, error)
        }
        if attempt.isOver {
            daemons[daemon].attempts.remove(at: slot)
        } else {
            daemons[daemon].attempts[slot] = attempt
        }
    }

    /// What a failed step means for the job is the daemon's own table.
    private mutating func fail(_ attempt: inout SimulatedAttempt, _ error: any Error) {
        tell("token \(attempt.held.token) fails at \(attempt.step): \(error)")
        if attempt.turnUntil > 0 {
            if fault() == .none { journal.releaseTurn(at: place(attempt), attempt.held.token) }
            attempt.turnUntil = 0
        }
        if case .settle = attempt.step {
            attempt.settleTries += 1
            if (error as? QueueError)?.isTransient != true || attempt.settleTries > 3 { attempt.isOver = true }
            return
        }
        if let wait = error as? AsksAgain {
            // decided here and not by the table, whose wait would be measured by the clock of this machine
            let decision = Self.policy.decision(
                for: .dependency, attempt: attempt.held.attempt, failures: attempt.held.failures,
                retryAfter: wait.after, random: dice.unit())
            guard case .retry(let delay, let counts) = decision else {
                return violate("waiting for the log ended a job")
            }
            return attempt.end(as: .retry(sampleFailure, after: delay, counts: counts))
        }
        let failed = AttemptFailure(StageFailure(stage: attempt.step.stage, underlying: error))
        guard let outcome = failed.outcome(for: attempt.claim, under: Self.policy, random: dice.unit()) else {
            counts.zombies += 1
            attempt.isOver = true
            return
        }
        attempt.end(as: outcome)
    }

    private mutating func step(_ attempt: inout SimulatedAttempt, _ daemon: Int) throws {
        let image = images[attempt.held.target]
        switch attempt.step {
        case .authorise: try authorise(&attempt, image)
        case .fetch:
            try registry()
            switch image.nature {
            case .absent: throw OCIError.notFound(Self.unknownManifest)
            case .broken: throw OCIError.digestMismatch(expected: sampleDigest("a"), actual: sampleDigest("b"))
            case .good, .refused: attempt.step = .readEvidence
            }
        case .readEvidence: try readEvidence(&attempt, image)
        case .adopt:
            try registry()
            attempt.step = .certificate
        case .certificate: try obtainCertificate(&attempt, daemon)
        case .sign: sign(&attempt, image)
        case .submitEarly:
            for made in attempt.made { try submit(made.signature) }
            attempt.step = .prepare
        case .prepare: try prepare(&attempt, image)
        case .examine, .submit, .ask, .lookUp, .noteMissing, .giveUp, .recordEntry: try enter(&attempt)
        case .checkServed, .takeTurn, .pushBlob, .pushManifest, .readList, .writeList, .releaseTurn, .readBack,
            .recordPush:
            try publish(&attempt)
        case .next:
            attempt.format += 1
            attempt.step = .examine
            if attempt.format == image.formats { attempt.end(as: .signed(Self.record)) }
        case .settle:
            guard let outcome = attempt.outcome else { return violate("settles without an outcome") }
            _ = try write(attempt) { simulation throws(QueueError) in
                try simulation.queue.settle(attempt.held, as: outcome)
            }
            attempt.isOver = true
        }
    }

    // MARK: Up to COMMIT 1

    private mutating func authorise(_ attempt: inout SimulatedAttempt, _ image: Image) throws {
        try database()
        guard let state = queue.targets[attempt.held.target]?.state else { return violate("a job without a target") }
        if let ended = Lineage(newest: 0, state: state, removesOlder: false).end(of: attempt.target) {
            return attempt.end(as: .refused(ended))
        }
        guard image.nature != .refused else { return attempt.end(as: .refused(Self.refusal)) }
        attempt.step = .fetch
    }

    private mutating func readEvidence(_ attempt: inout SimulatedAttempt, _ image: Image) throws {
        try database()
        attempt.evidence = (0..<image.formats).compactMap { journal.live(attempt.held.target, $0) }
        if flaw == .signsAnew { attempt.evidence.removeAll { $0.entry == nil } }
        attempt.step = attempt.evidence.count == image.formats ? .examine : .adopt
    }

    private mutating func obtainCertificate(_ attempt: inout SimulatedAttempt, _ daemon: Int) throws {
        if let window = daemons[daemon].window, queue.now < window.closes {
            attempt.certificateEnd = window.end
        } else {
            guard fault() == .none else { throw Self.unavailable(.fulcio) }
            let limits = CertificateWindow.Limits()
            // of an expiring one as much is left as the window leaves of any
            let end = queue.now + (temper == .expiring ? limits.margin.milliseconds + 10_000 : 600_000)
            let closes = min(queue.now + limits.maxAge.milliseconds, end - limits.margin.milliseconds)
            daemons[daemon].window = (end, closes)
            attempt.certificateEnd = end
        }
        attempt.step = .sign
    }

    private mutating func sign(_ attempt: inout SimulatedAttempt, _ image: Image) {
        for format in 0..<image.formats where !attempt.evidence.contains(where: { $0.format == format }) {
            attempt.made.append(
                .init(format: format, signature: signatures.count, certificateEnd: attempt.certificateEnd))
            signatures.append((attempt.held.target, format))
        }
        attempt.step = flaw == .submitsBeforeCommit ? .submitEarly : .prepare
    }

    private mutating func prepare(_ attempt: inout SimulatedAttempt, _ image: Image) throws {
        try write(attempt) { simulation throws(QueueError) in
            try simulation.queue.fence(attempt.held)
            if simulation.flaw == .signsAnew {
                simulation.journal.replace(attempt.made, of: attempt.held.target)
            } else {
                simulation.journal.prepare(attempt.made, of: attempt.held.target)
            }
        }
        attempt.evidence = (0..<image.formats).compactMap { journal.live(attempt.held.target, $0) }
        attempt.step = .examine
    }

    // MARK: Calls that can fail

    /// A commit under the attempt's token. Whoever does not hold the job must change nothing.
    @discardableResult
    mutating func write<Value>(
        _ attempt: SimulatedAttempt, _ body: (inout Simulation) throws(QueueError) -> Value
    ) throws(QueueError) -> Value {
        let fault = fault()
        guard fault != .error else { throw .database(.unavailable(reason: "")) }
        let isHolder = queue.holds(attempt.held)
        let before = queue.revision + journal.revision
        let result = Result { () throws(QueueError) in try body(&self) }
        if !isHolder, queue.revision + journal.revision != before {
            violate("token \(attempt.held.token) is not the job's any more and wrote at \(attempt.step)")
        }
        let value = try result.get()
        guard fault == .none else { throw .database(.commitUnknown(reason: "")) }
        return value
    }

    mutating func database(_ body: (inout Simulation) -> Void = { _ in }) throws(QueueError) {
        let fault = fault()
        if fault != .error { body(&self) }
        guard fault == .none else { throw .database(.connectionLost(reason: "", sqlState: nil, statement: nil)) }
    }

    mutating func registry(_ body: (inout Simulation) -> Void = { _ in }) throws(OCIError) {
        let fault = fault()
        if fault != .error { body(&self) }
        guard fault == .none else { throw .transport(operation: "", .interrupted(url: "", detail: "")) }
    }

    static func unavailable(_ service: SigstoreService) -> SigstoreError {
        .unavailable(service, detail: "", retryAfter: nil, answerMayBeLost: true)
    }

    private static let policy = RetryPolicy()
    private static let record = sampleRecord()
    private static let refusal = Failure(code: "policy.refused", stage: "authorise", observed: "no rule", fix: "none")
    private static let unknownManifest = RegistryAnswer(
        operation: "GET", status: 404, codes: ["MANIFEST_UNKNOWN"], message: "", retryAfter: nil)
}
