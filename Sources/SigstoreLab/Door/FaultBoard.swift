import Synchronization

/// A misbehaviour of one service, asked for by a test or by hand.
package struct Fault: Sendable, Equatable {
    /// What goes wrong.
    package enum Effect: Sendable, Equatable {
        /// The request is carried out at once; its answer comes this much later.
        case delay(Duration)
        /// The request is not carried out; this status is answered, with `Retry-After` in seconds if given.
        case status(Int, retryAfter: Int? = nil)
        /// A POST is carried out (the entry *is* logged), then the connection is closed without an answer.
        case dropAnswer
        /// The service's clock is wrong by this much: certificates, timestamps, integrated times, tokens.
        case clockOffset(Duration)
        /// Fulcio refuses the identity token, whatever it says.
        case refuseToken
        /// The request is carried out, but what is answered does not verify.
        case distort(Distortion)
    }

    /// How an answer can be wrong. What the log holds stays right: only the one answer is not.
    package enum Distortion: String, Sendable, CaseIterable, Codable {
        /// Rekor v1: the signed entry timestamp is not the log's.
        case badSET = "bad_set"
        /// Rekor v1 and v2: the inclusion proof leads elsewhere.
        case badProof = "bad_proof"
        /// Rekor v1 and v2: the checkpoint's signature is not the log's.
        case badCheckpoint = "bad_checkpoint"
        /// Rekor v2: a partial tile is gone once the full one is there, as C2SP tlog-tiles allows.
        case noPartialTiles = "no_partial_tiles"
        /// Fulcio: the certificate carries no promise of a CT log.
        case noSCT = "no_sct"
        /// Fulcio: the certificate names somebody else.
        case wrongIdentity = "wrong_identity"
        /// Timestamp authority: the timestamp is of other bytes.
        case wrongImprint = "wrong_imprint"
    }

    /// What goes wrong.
    package var effect: Effect
    /// Only requests whose path begins with this are hit; `nil` hits all.
    package var path: String?
    /// How many requests are still hit; `nil` until it is cleared.
    package var remaining: Int?

    /// A fault that hits the next `count` requests whose path begins with `path`.
    package init(_ effect: Effect, path: String? = nil, count: Int? = nil) {
        self.effect = effect
        self.path = path
        self.remaining = count
    }
}

/// The faults in force, per service. Set in process or through `/lab/faults` on the service's own port.
package final class FaultBoard: Sendable {
    private let faults = Mutex<[LabService: [Fault]]>([:])

    /// A board without faults.
    package init() {}

    /// Adds a fault to those in force.
    package func set(_ fault: Fault, for service: LabService) {
        faults.withLock { $0[service, default: []].append(fault) }
    }

    /// Ends the faults of one service, or of all.
    package func clear(_ service: LabService? = nil) {
        faults.withLock { faults in
            if let service { faults[service] = nil } else { faults.removeAll() }
        }
    }

    /// What is in force for a service now.
    package func active(_ service: LabService) -> [Fault] {
        faults.withLock { $0[service] ?? [] }
    }

    /// The faults that hit one request; each counted one is used up by it.
    func take(for service: LabService, isPost: Bool, path: String) -> Hit {
        faults.withLock { faults in
            var hit = Hit()
            faults[service] = faults[service]?.compactMap { fault in
                guard path.hasPrefix(fault.path ?? "") else { return fault }
                if case .dropAnswer = fault.effect, !isPost { return fault }
                hit.add(fault.effect)
                guard let remaining = fault.remaining else { return fault }
                var left = fault
                left.remaining = remaining - 1
                return remaining > 1 ? left : nil
            }
            return hit
        }
    }

    /// The clock error of a service outside any request (tokens issued in process); uses up no count.
    func clockOffset(of service: LabService) -> Duration {
        active(service).reduce(.zero) { sum, fault in
            if case .clockOffset(let offset) = fault.effect { sum + offset } else { sum }
        }
    }

    /// All that goes wrong with one request.
    struct Hit {
        var delay = Duration.zero
        var status: (code: Int, retryAfter: Int?)?
        var dropsAnswer = false
        var clockOffset = Duration.zero
        var refusesToken = false
        var distortions: Set<Fault.Distortion> = []

        mutating func add(_ effect: Fault.Effect) {
            switch effect {
            case .delay(let duration): delay += duration
            case .status(let code, let retryAfter): status = (code, retryAfter)
            case .dropAnswer: dropsAnswer = true
            case .clockOffset(let offset): clockOffset += offset
            case .refuseToken: refusesToken = true
            case .distort(let distortion): distortions.insert(distortion)
            }
        }
    }
}
