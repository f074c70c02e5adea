import Sigstore

/// What some entries of a log came to.
struct LookedAt: Sendable {
    /// Those under an identity of ours.
    var found: [FoundEntry] = []
    /// Of kinds that we do not read.
    var unknownKinds = 0
    /// Of a kind that we read, and not to be read as such.
    var unreadable = 0
    /// Both, for the figures.
    var passedOver: [(kind: String, why: String)] = []
}

extension TlogEntry {
    /// Its kind, if Rekor has such a kind: the word comes from outside, and a label must not be anybody's choice.
    var knownKind: String {
        let kinds: Set = [
            "alpine", "cose", "dsse", "hashedrekord", "helm", "intoto", "jar", "rekord", "rfc3161", "rpm", "tuf",
        ]
        return kinds.contains(kind) ? kind : "other"
    }
}
