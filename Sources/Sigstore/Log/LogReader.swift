/// What can be read from a log by anybody: for `log get`, online verification, and the watch over its consistency.
public protocol LogReader: Sendable {
    /// The log's URL.
    var id: String { get }

    /// The newest checkpoint of each of its trees, that which takes entries first. Their signatures are *not* checked: see
    /// ``CheckpointVerifier``.
    func checkpoints() async throws(SigstoreError) -> [Checkpoint]

    /// The entry of a global index with its proof of inclusion, or nil if the log has none yet.
    func entry(index: Int64) async throws(SigstoreError) -> TlogEntry?

    /// The hashes that ought to prove that the tree of the first checkpoint is a prefix of the second's (RFC 6962 §2.1.2);
    /// for ``Merkle/verifyConsistency(first:firstRoot:second:secondRoot:proof:)``.
    func consistencyProof(from first: Checkpoint, to second: Checkpoint) async throws(SigstoreError) -> [[UInt8]]
}
