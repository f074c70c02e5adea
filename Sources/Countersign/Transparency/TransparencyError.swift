/// Why a question to a log has no answer, where the log itself is in order.
package enum TransparencyError: Error, Sendable, Equatable {
    /// A tree of the log and how large it said it is.
    package struct Tree: Sendable, Equatable {
        package let origin: String
        package let size: UInt64
    }

    /// The log has no such entry (yet).
    case entryNotFound(log: String, asked: String, trees: [Tree])
    /// The log keeps no index that could answer.
    case notSearchable(log: String, why: String)
    /// A log of tiles is read through its checkpoint, which nobody trusted vouches for.
    case needsTrust(log: String)
    /// The log's answer is of another entry than was stored.
    case otherEntry(log: String, asked: String, detail: String)

    /// Stable, as in the API's `last_error.code`.
    package var code: String {
        switch self {
        case .entryNotFound: "rekor.entry_not_found"
        case .notSearchable: "log.not_searchable"
        case .needsTrust: "log.needs_trust"
        case .otherEntry: "rekor.entry_differs"
        }
    }

    /// Whether it is the log's answer: no such entry, or another one. Else the question cannot be put so.
    package var saysNo: Bool {
        switch self {
        case .entryNotFound, .otherEntry: true
        case .notSearchable, .needsTrust: false
        }
    }

    /// What was seen.
    package var observed: String {
        switch self {
        case .entryNotFound(let log, let asked, let trees):
            "Rekor entry not found: \(log) has no entry with \(asked); "
                + (trees.isEmpty
                    ? "what it has is not known"
                    : "its trees: "
                        + trees.map { "\"\($0.origin)\" with \($0.size) entries" }.joined(separator: ", "))
        case .notSearchable(let log, let why): "\(log) cannot be searched: \(why)"
        case .needsTrust(let log):
            "\(log) is a log of tiles, and its checkpoint can only be believed with a trusted root"
        case .otherEntry(let log, let asked, let detail): "\(log) shows another entry for \(asked): \(detail)"
        }
    }

    /// What to do.
    package var fix: String {
        switch self {
        case .entryNotFound(_, _, let trees):
            "see that this is the log that the signature names (`countersign describe` prints it), "
                + (trees.count > 1
                    ? "and that the index is the one over all trees"
                    : "that it was given an index of its own, and if the entry is seconds old, ask again")
        case .notSearchable:
            "read its newest entries, or those of some indexes: --scan; ask the daemon, which knows its own entries by identity, image and digest: --api URL; or by position: `countersign log get --index`"
        case .needsTrust:
            "give the instance's trust material: --trusted-root, --config, --client-trust-config, --tuf-url or --instance"
        case .otherEntry: "keep both entries: a log that changes what it took is a matter for its operator"
        }
    }
}
