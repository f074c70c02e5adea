/// What is remembered of one log's checkpoints, so that it cannot show us one history today and another tomorrow.
public protocol CheckpointStore: Sendable {
    /// The largest checkpoint of a tree that is known to be consistent with all before it.
    func proven(origin: String) async throws -> Checkpoint?

    /// Checkpoints that were seen and are not proven yet: the largest, and of the others any, at most `limit`.
    func pending(origin: String, limit: Int) async throws -> [Checkpoint]

    /// Records a checkpoint that was seen.
    /// - Returns: one of the same tree and size with another root, if such was recorded: both cannot be true.
    func record(_ checkpoint: Checkpoint) async throws -> Checkpoint?

    /// Marks recorded checkpoints as consistent with each other and all proven before.
    /// - Parameter checkpoints: of one tree, the largest last.
    func prove(_ checkpoints: [Checkpoint]) async throws
}

/// Two checkpoints that a log signed and that cannot both be true.
public struct LogContradiction: Sendable {
    /// The tree.
    public let origin: String
    /// What does not hold.
    public let detail: String
    /// The one that was seen before, or is smaller.
    public let first: Checkpoint
    /// The other.
    public let second: Checkpoint

    /// Evidence against a log.
    public init(_ first: Checkpoint, _ second: Checkpoint, _ detail: String) {
        self.first = first
        self.second = second
        self.detail = detail
        origin = second.origin
    }

    /// Two trees of one log of which the smaller is not proven to be the beginning of the larger.
    public init(_ first: Checkpoint, noPrefixOf second: Checkpoint, _ why: Merkle.ProofError) {
        self.init(first, second, "the tree of \(first.size) is no prefix of that of \(second.size): \(why)")
    }

    /// What is said where the fault may be the proof's alone (``Merkle/ProofError/isContradiction``).
    /// - Parameter log: its URL.
    public func doubt(at log: String) -> SigstoreError {
        .badAnswer(
            .rekor,
            detail:
                "\(log) gave a proof that does not hold: \(detail). It was altered on the way, or the log shows another "
                + "history than before: ask again, by another way as well", answerMayBeLost: false)
    }
}

/// One look at a log: its newest checkpoints are fetched, and proven to extend all that it ever told us.
public struct ConsistencyCheck: Sendable {
    /// What one look may prove besides the newest checkpoint: each costs the log a request. More waits for the next look.
    static let pendingLimit = 256

    private let reader: any LogReader
    private let verifier: CheckpointVerifier
    private let store: any CheckpointStore

    /// A check of `reader` against what `store` remembers of it.
    public init(_ reader: any LogReader, verifier: CheckpointVerifier, store: any CheckpointStore) {
        self.reader = reader
        self.verifier = verifier
        self.store = store
    }

    /// What one look found.
    public struct Finding: Sendable {
        /// The newest checkpoint of each tree, the active one first.
        public fileprivate(set) var newest: [VerifiedCheckpoint] = []
        /// The first contradiction; nil if none was found.
        public fileprivate(set) var contradiction: LogContradiction?
        /// Trees of which the log's proof does not hold, and may be at fault itself: nobody signs it, and whoever passes it on
        /// can alter it. A log that has another history can never give one that does.
        public fileprivate(set) var unproven: [LogContradiction] = []
        /// What was proven before of trees that are shown smaller now, where the log gave no proof that what it shows is
        /// their beginning: a mirror may be behind, and another history may be shown to us. A later look decides.
        public fileprivate(set) var ahead: [Checkpoint] = []

        /// Why nothing can be said of a tree's history by this look; nil if it was proven.
        /// - Parameter log: its URL.
        public func doubt(of origin: String, at log: String) -> SigstoreError? {
            if let unproven = unproven.first(where: { $0.origin == origin }) { return unproven.doubt(at: log) }
            guard let known = ahead.first(where: { $0.origin == origin }),
                let shown = newest.first(where: { $0.checkpoint.origin == origin })
            else { return nil }
            return .unavailable(
                .rekor,
                detail:
                    "\(log) shows a tree of \(shown.checkpoint.size), and showed one of \(known.size) before, without "
                    + "a proof that it is the same history: it is behind, or it shows us another", retryAfter: nil,
                answerMayBeLost: false)
        }
    }

    /// Looks once.
    /// - Throws: ``SigstoreError`` if the log cannot be read or its checkpoint is not its own, and what the store throws.
    ///   Neither says anything about consistency: look again later.
    public func look() async throws -> Finding {
        var finding = Finding()
        for checkpoint in try await reader.checkpoints() { finding.newest.append(try verifier.verify(checkpoint)) }
        for checkpoint in finding.newest.map(\.checkpoint) {
            if let known = try await store.proven(origin: checkpoint.origin), known.size > checkpoint.size {
                finding.contradiction = try await contradiction(of: checkpoint, before: known, &finding)
            } else {
                finding.contradiction = try await contradiction(of: checkpoint, &finding)
            }
            if finding.contradiction != nil { break }
        }
        return finding
    }

    /// Less is shown than is known: it has to be the beginning of that, by the log's own proof.
    private func contradiction(
        of shown: Checkpoint, before known: Checkpoint, _ finding: inout Finding
    ) async throws -> LogContradiction? {
        if let other = try await store.record(shown) {
            return LogContradiction(other, shown, "two roots of \(shown.size) leaves")
        }
        let why: Merkle.ProofError?
        do throws(SigstoreError) {
            why = try await reader.disproof(of: shown, before: known)
        } catch {
            switch error {
            case .withheld, .cancelled, .throttled: throw error
            // a server that does not have the larger tree cannot prove anything about it: what it said stays pending
            default:
                finding.ahead.append(known)
                return nil
            }
        }
        guard let why else {
            try await store.prove([shown])
            return nil
        }
        return Self.weigh(LogContradiction(shown, noPrefixOf: known, why), why, &finding)
    }

    /// What the proof's failure says: a contradiction, or nothing yet.
    private static func weigh(
        _ contradiction: LogContradiction, _ why: Merkle.ProofError, _ finding: inout Finding
    ) -> LogContradiction? {
        guard !why.isContradiction else { return contradiction }
        finding.unproven.append(contradiction)
        return nil
    }

    private func contradiction(
        of newest: Checkpoint, _ finding: inout Finding
    ) async throws -> LogContradiction? {
        if let other = try await store.record(newest) {
            return LogContradiction(other, newest, "two roots of \(newest.size) leaves")
        }
        let proven = try await store.proven(origin: newest.origin)
        let pending = try await store.pending(origin: newest.origin, limit: Self.pendingLimit)
        // each by itself against the newest: beginnings of one tree do not contradict each other. What was proven before goes
        // first, so that whatever follows is tied to it, also if the look breaks off. An entry may have come with a larger one:
        // that is for a later look.
        var extended = [newest]
        var isTied = true
        var seen: Set<UInt64> = [newest.size]
        do {
            for earlier in (proven.map { [$0] } ?? []) + pending
            where earlier.size < newest.size && seen.insert(earlier.size).inserted {
                if let why = try await reader.disproof(of: earlier, before: newest) {
                    let contradiction = LogContradiction(earlier, noPrefixOf: newest, why)
                    if let contradiction = Self.weigh(contradiction, why, &finding) { return contradiction }
                    isTied = isTied && earlier != proven
                } else {
                    extended.append(earlier)
                }
            }
        } catch {
            if isTied, extended.count > 1 { try? await store.prove(extended.sorted { $0.size < $1.size }) }
            throw error
        }
        // nothing takes the place of what was proven before that is not tied to it
        if isTied { try await store.prove(extended.sorted { $0.size < $1.size }) }
        return nil
    }
}

extension LogReader {
    /// Why the tree of `first` is not a prefix of that of `second`, by the log's own proof; nil if it is.
    ///
    /// A proof that does not hold is asked for once more: an answer may come from between two states of the server. Whether the
    /// log is at fault then, or the proof, is told by ``Merkle/ProofError/isContradiction``.
    public func disproof(
        of first: Checkpoint, before second: Checkpoint
    ) async throws(SigstoreError) -> Merkle.ProofError? {
        var failure: Merkle.ProofError?
        for _ in 0..<2 {
            let proof = try await consistencyProof(from: first, to: second)
            do throws(Merkle.ProofError) {
                try Merkle.verifyConsistency(
                    first: first.size, firstRoot: first.rootHash, second: second.size, secondRoot: second.rootHash,
                    proof: proof)
                return nil
            } catch {
                failure = error
            }
        }
        return failure
    }
}
