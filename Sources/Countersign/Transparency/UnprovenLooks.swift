import Sigstore

/// How often in a row each tree's proof of its history did not hold, while nobody else who looks was given one that does.
///
/// Nobody signs a proof: what alters it between a log and this daemon alone says nothing about the log. The other daemons ask
/// for the same proofs, and what they prove is in the store.
actor UnprovenLooks {
    /// After so many looks in a row a log that cannot prove its history counts as one that contradicts itself: by default half
    /// an hour, in which whoever passes its answers on may mend what alters them.
    static let limit = 30

    /// A tree of a log.
    private struct Tree: Hashable {
        let log: String
        let origin: String
    }

    private struct Row {
        var looks: Int
        /// Of the checkpoints in doubt at its first look those that still wait for their proof, by size.
        var waiting: Set<UInt64>
    }

    private var rows: [Tree: Row] = [:]

    /// What a log has failed to prove in enough looks; nil before.
    ///
    /// A row ends with the first look that finds nothing, and once all that was in doubt at its start is proven, by whomever. That
    /// the tree is proven to have grown since ends none: a history that was shown to us alone is not in it. Nor does a look
    /// that was only shown less than is known: it proved nothing.
    func persisting(_ finding: ConsistencyCheck.Finding, in store: CheckpointRecords) async throws -> LogContradiction?
    {
        var persisting: LogContradiction?
        for origin in Set(finding.newest.map(\.checkpoint.origin)) {
            let tree = Tree(log: store.log, origin: origin)
            let doubts = finding.unproven.filter { $0.origin == origin }
            guard let doubt = doubts.first else {
                if !finding.ahead.contains(where: { $0.origin == origin }) { rows[tree] = nil }
                continue
            }
            rows[tree] = try await row(of: tree, doubts, in: store)
            if let row = rows[tree], row.looks >= Self.limit { persisting = persisting ?? doubt }
        }
        return persisting
    }

    /// The row with this look in it; nil where all that is in doubt was proven before, as an older tree that a mirror shows.
    private func row(
        of tree: Tree, _ doubts: [LogContradiction], in store: CheckpointRecords
    ) async throws -> Row? {
        if let row = rows[tree] {
            let waiting = try await store.waiting(origin: tree.origin, sizes: row.waiting)
            if !waiting.isEmpty { return Row(looks: row.looks + 1, waiting: waiting) }
        }
        let sizes = Set(doubts.flatMap { [$0.first.size, $0.second.size] })
        let waiting = try await store.waiting(origin: tree.origin, sizes: sizes)
        return waiting.isEmpty ? nil : Row(looks: 1, waiting: waiting)
    }
}
