/// A log that keeps an index: it is asked for an entry by its name, or by what is in it.
public protocol LogIndex: Sendable {
    /// The entry of that name: 80 hex digits, or the 64 of the leaf's hash; nil if the log has none.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` for another name.
    func entry(uuid: String) async throws(SigstoreError) -> TlogEntry?

    /// The names of the entries that the index has under a term.
    func search(_ term: LogSearch) async throws(SigstoreError) -> [String]
}

/// A log that is not asked by content, so that an entry is looked for by reading it.
public protocol LogScan: Sendable {
    /// The entry that the request made, looked for from an index to the log's end; nil if it is not there. Writes nothing, so it
    /// is for a log that takes nothing any more: of any other, ``TransparencyLog/submit(_:)`` is the look-up.
    /// - Parameter index: one below which the entry cannot be.
    /// - Throws: ``SigstoreError``; what cannot be read is an error and not an absence.
    func search(_ request: [UInt8], from index: Int64) async throws(SigstoreError) -> TlogEntry?
}
