import FoundationEssentials
import OpenSSL
package import Sigstore

/// What a log said, asked online, of an entry that a signature brought.
package struct LogConfirmation: Sendable, Encodable {
    /// The log's URL.
    package let log: String
    /// The entry's index.
    package let index: Int64
    /// The tree, by its own name, and its leaves at the moment.
    package let origin: String
    package let treeSize: UInt64
    /// The size up to which its history was known before; nil at the first look. It is proven that the smaller one of the two
    /// trees is the beginning of the larger.
    package let extends: UInt64?

    /// One line for people.
    package var line: String {
        "\(log) has entry \(index); its tree of \(treeSize) \(Self.history(of: treeSize, known: extends))"
    }
}

extension LogConfirmation {
    /// How a tree belongs to what was known before, once that is proven.
    static func history(of size: UInt64, known: UInt64?) -> String {
        guard let known else { return "is remembered from now on" }
        return known <= size
            ? "extends the \(known) that were seen before" : "is the beginning of the \(known) that were seen before"
    }
}

/// Asks logs for the entries of verified signatures, and whether they still tell the history that they told before.
///
/// Offline verification proves that an entry was in the log under a checkpoint of the log. A log that shows different
/// people different trees could do that, too; whoever asks it again and remembers what it said finds out.
package struct OnlineCheck: Sendable {
    /// A log that can be asked.
    package struct Log: Sendable {
        package let reader: any LogReader
        /// Whose checkpoints count.
        package let verifier: CheckpointVerifier
        /// What it said before.
        package let store: any CheckpointStore
        /// Told of a contradiction, before it is reported.
        package let alarm: @Sendable (LogContradiction) async throws -> Void

        package init(
            reader: any LogReader, verifier: CheckpointVerifier, store: any CheckpointStore,
            alarm: @escaping @Sendable (LogContradiction) async throws -> Void = { _ in }
        ) {
            self.reader = reader
            self.verifier = verifier
            self.store = store
            self.alarm = alarm
        }
    }

    private let log: @Sendable (TlogEntry) async throws -> Log

    /// - Parameter log: the log that an entry names, ready to be asked.
    package init(_ log: @escaping @Sendable (TlogEntry) async throws -> Log) { self.log = log }

    /// Confirms every entry of a verified signature.
    /// - Parameter verify: the verification that it passed, of the same signature with other entries.
    /// - Throws: ``SigstoreError/entryNotFound(log:entry:treeSize:)``, ``SigstoreError/entryDiffers(log:index:detail:)``,
    ///   ``SigstoreError/logInconsistent(log:detail:)``, ``SigstoreError/malformed(_:_:)`` for a checkpoint that is not the
    ///   log's, and what `verify` throws: these say no. Everything else says that it could not be found out.
    package func confirm(
        _ signature: VerifiedSignature, verify: ([TlogEntry]) throws -> Void
    ) async throws -> [LogConfirmation] {
        var served: [TlogEntry] = []
        var confirmations: [LogConfirmation] = []
        for entry in signature.tlogEntries {
            let log = try await log(entry)
            let today = try await ask(log, for: entry)
            confirmations.append(try await look(at: log, for: entry, today))
            served.append(today)
        }
        // what the log serves today must prove as much as what came with the signature: its proof is under a newer root
        try verify(served)
        return confirmations
    }

    /// Whether an error of ``confirm(_:verify:)`` is the log's "no"; every other one says that it could not be found out.
    static func saysNo(_ error: SigstoreError) -> Bool {
        switch error {
        case .entryNotFound, .entryDiffers, .logInconsistent, .malformed, .unwitnessed: true
        default: false
        }
    }

    /// The entry as the log has it today, which must be the one that was presented.
    private func ask(_ log: Log, for entry: TlogEntry) async throws(SigstoreError) -> TlogEntry {
        guard let served = try await find(entry, in: log.reader) else { throw try await absence(of: entry, in: log) }
        func differs(_ detail: String) -> SigstoreError {
            .entryDiffers(log: log.reader.id, index: entry.provenIndex ?? served.logIndex, detail: detail)
        }
        guard served.logID == entry.logID else { throw differs("it is of another log") }
        guard served.canonicalizedBody == entry.canonicalizedBody else {
            throw differs("its body is not that of the signature")
        }
        guard !entry.provesIndex || served.logIndex == entry.logIndex else {
            throw differs("it gave that of index \(served.logIndex)")
        }
        guard entry.integratedTime == 0 || served.integratedTime == entry.integratedTime else {
            throw differs("taken at \(served.integratedTime), the signature says \(entry.integratedTime)")
        }
        return served
    }

    /// The log's entry of that index; an index that nothing proves may be any, and the body's hash names the entry.
    private func find(_ entry: TlogEntry, in reader: any LogReader) async throws(SigstoreError) -> TlogEntry? {
        guard !entry.provesIndex, let names = reader as? any LogIndex else {
            return try await reader.entry(index: entry.logIndex)
        }
        return try await names.entry(uuid: Hex.encode(Merkle.leafHash(entry.canonicalizedBody)))
    }

    /// Why the log does not have the entry: it lost it, or shows a tree that is too small for it.
    private func absence(of entry: TlogEntry, in log: Log) async throws(SigstoreError) -> SigstoreError {
        // only the log's own word counts: another server's 404, or a proxy's, says nothing about its entries
        var trees: [Checkpoint] = []
        for checkpoint in try await log.reader.checkpoints() {
            trees.append(try log.verifier.verify(checkpoint).checkpoint)
        }
        guard let newest = trees.first else {
            return .badAnswer(.rekor, detail: "it has no checkpoint", answerMayBeLost: false)
        }
        if let proof = entry.inclusionProof {
            let presented = try Checkpoint(note: proof.checkpoint)
            guard let shown = trees.first(where: { $0.origin == presented.origin }) else { return Self.withoutTree }
            guard shown.size >= presented.size else { return behind(log, shown, presented.size) }
        } else if let index = UInt64(exactly: entry.logIndex), trees.reduce(0, { $0 &+ $1.size }) <= index {
            // one index over all of its trees
            return behind(log, newest, index + 1)
        }
        return .entryNotFound(log: log.reader.id, entry: entry.name, treeSize: newest.size)
    }

    private static let withoutTree = SigstoreError.badAnswer(
        .rekor, detail: "it has no checkpoint of the tree that holds the entry", answerMayBeLost: false)

    private func behind(_ log: Log, _ shown: Checkpoint, _ logged: UInt64) -> SigstoreError {
        .unavailable(
            .rekor,
            detail:
                "\(log.reader.id) shows a tree of \(shown.size), the signature was logged in one of \(logged): it is "
                + "behind", retryAfter: nil, answerMayBeLost: false)
    }

    /// The log's newest checkpoint extends what we know of it, and the checkpoint that the signature was made under.
    private func look(
        at log: Log, for entry: TlogEntry, _ served: TlogEntry
    ) async throws -> LogConfirmation {
        guard let proof = served.inclusionProof else {
            throw SigstoreError.badAnswer(.rekor, detail: "an entry without proof", answerMayBeLost: false)
        }
        // the shard that has the entry: an older one is closed, and its tree must stay what it was
        let origin = try Checkpoint(note: proof.checkpoint).origin
        let known = try await log.store.proven(origin: origin)?.size
        let finding = try await ConsistencyCheck(log.reader, verifier: log.verifier, store: log.store).look()
        if let contradiction = finding.contradiction { throw try await raise(contradiction, log) }
        if let doubt = finding.doubt(of: origin, at: log.reader.id) { throw doubt }
        guard let newest = finding.newest.map(\.checkpoint).first(where: { $0.origin == origin }) else {
            throw Self.withoutTree
        }
        // the older format brings no proof: its entry rests on the log's promise, and on what the log says now
        if let presented = try entry.inclusionProof.map({ try Checkpoint(note: $0.checkpoint) }),
            presented.origin == origin
        {
            guard presented.size <= newest.size else {
                throw behind(log, newest, presented.size)
            }
            if let why = try await log.reader.disproof(of: presented, before: newest) {
                let contradiction = LogContradiction(presented, noPrefixOf: newest, why)
                guard why.isContradiction else { throw contradiction.doubt(at: log.reader.id) }
                throw try await raise(contradiction, log)
            }
        }
        return LogConfirmation(
            log: log.reader.id, index: served.logIndex, origin: newest.origin, treeSize: newest.size,
            extends: known)
    }

    private func raise(_ contradiction: LogContradiction, _ log: Log) async throws -> SigstoreError {
        try await log.alarm(contradiction)
        return .logInconsistent(log: log.reader.id, detail: contradiction.detail)
    }
}
