import Sigstore

extension Evidence {
    /// The entry of the same signature in another log, where the instance wants several: all of them are in the bundle.
    ///
    /// Further logs are asked before that of the row, and what each answers is recorded at once. So the evidence is logged with
    /// its last entry, as it is with its only one, and no log is sent again what it is known to have.
    package struct FurtherEntry: Sendable, Equatable {
        /// Which log it goes to: its URL.
        package let log: String
        /// The exact request body for that log. Empty only where the entry was found, not made.
        package let request: [UInt8]
        /// The entry in the form of ``Evidence/Logged/entry``; nil: the log's answer is not known.
        package var entry: [UInt8]?

        package init(log: String, request: [UInt8], entry: [UInt8]? = nil) {
            self.log = log
            self.request = request
            self.entry = entry
        }
    }

    /// Evidence with what its further logs answered, and its entry in the log of the row.
    typealias Entered = (evidence: Evidence, entry: TlogEntry)
}

extension Evidence.Prepared {
    /// What each of its logs gets.
    var requests: [(log: String, bytes: [UInt8])] { [(log, logRequest)] + further.map { ($0.log, $0.request) } }

    /// The further logs of which the entry does not hold by itself.
    /// - Parameter verify: the complete verification, of these parts with one entry.
    func furtherLogs(failing verify: (Self, TlogEntry) throws -> Void) -> [String] {
        var alone = self
        alone.further = []
        return further.filter { further in
            guard let entry = further.entry else { return false }
            return (try? verify(alone, TlogEntry(json: entry))) == nil
        }.map(\.log)
    }

    /// All entries that are known, each once: a log may have two URLs, and cosign takes no entry twice.
    /// - Parameter entry: the one in the log of the row, which is the first.
    func entries(with entry: TlogEntry) throws -> [TlogEntry] {
        var entries = [entry]
        for further in try further.compactMap({ try $0.entry.map { try TlogEntry(json: $0) } })
        where !entries.contains(where: further.isSame(as:)) {
            entries.append(further)
        }
        return entries
    }
}
