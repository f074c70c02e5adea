public import FoundationEssentials
import OpenSSL

/// A kind of log entry in one of its versions, and how its body is read. Whether such an entry is dated, and of a log of tiles, is
/// said by the ``RekorAPI`` that lists it.
struct LogEntryKind: Sendable {
    /// Its name, such as `dsse`.
    let kind: String
    /// The version of that kind, such as `0.0.1`.
    let version: String
    /// Reads a body that is known to be of this kind and version.
    let read: @Sendable (JSONField) throws(SigstoreError) -> TlogBody

    func isKind(of entry: TlogEntry) -> Bool { kind == entry.kind && version == entry.version }
}

extension TlogEntry {
    /// The API of the logs that have entries of this kind; nil for a kind that we cannot read.
    public var api: RekorAPI? { RekorAPI.all.first { $0.entryKinds.contains { $0.isKind(of: self) } } }

    /// Whether what proves the entry proves its index, too: the log's promise, or the place in the only tree of a log of
    /// tiles. The inclusion proof of a Rekor v1 counts within one of its trees.
    public var provesIndex: Bool { inclusionPromise != nil || api?.isTiled == true }

    /// The index of an entry that was verified; nil where nothing proves it and anybody can have written it.
    public var provenIndex: Int64? { provesIndex ? logIndex : nil }

    /// What its log is asked for: the index, or the hash of the leaf where nothing proves the index.
    package var name: String {
        provenIndex.map { "index \($0)" } ?? "uuid \(Hex.encode(Merkle.leafHash(canonicalizedBody)))"
    }

    /// Whether both are one entry of one log. An index that nothing proves tells no entries apart.
    package func isSame(as other: TlogEntry) -> Bool {
        logID == other.logID && canonicalizedBody == other.canonicalizedBody
            && (logIndex == other.logIndex || !provesIndex || !other.provesIndex)
    }

    /// When the log took an entry that was verified; nil where its promise does not say so and anybody can have written it.
    public var provenTime: Date? {
        inclusionPromise != nil && integratedTime > 0 ? Date(unixSeconds: integratedTime) : nil
    }
}
