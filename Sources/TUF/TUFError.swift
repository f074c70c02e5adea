public import FoundationEssentials

/// Why an update was not followed. Whatever is thrown, the trusted metadata of before stays as it was.
public enum TUFError: Error, Sendable, Equatable {
    /// Not metadata of the expected type and form: which file, and what is wrong with it.
    case malformed(file: String, String)
    /// Too few of the role's keys signed it (the attack is "arbitrary software").
    case unsigned(file: String, valid: Int, threshold: Int)
    /// A version below one that was trusted before.
    case rollback(file: String, trusted: Int64, offered: Int64)
    /// A role that the trusted snapshot listed is not listed any more.
    case removed(file: String)
    /// Not the file that the role above it speaks of: a mixture of two states of the repository.
    case mixed(file: String, String)
    /// Past its time: somebody may be holding newer metadata back (freeze).
    case expired(file: String, at: Date, now: Date)
    /// Longer than it may be (endless data).
    case tooLong(file: String, limit: Int)
    /// The repository does not have it.
    case missing(file: String)
    /// The repository could not be asked.
    case unreachable(file: String, String, isTransient: Bool)
    /// No role that may speak about the path does.
    case noTarget(path: String)
    /// The content is not what its metadata says.
    case wrongTarget(path: String, String)
    /// More roots or roles than an honest repository has.
    case tooMany(what: String, limit: Int)
    /// Nothing is cached that could be used offline.
    case notCached(file: String)
    /// The cache could not be read or written.
    case cache(String)
}

extension TUFError: CustomStringConvertible {
    /// A stable name for logs, metrics and commands.
    public var code: String {
        switch self {
        case .malformed: "tuf.malformed"
        case .unsigned: "tuf.signature"
        case .rollback, .removed: "tuf.rollback"
        case .mixed: "tuf.mixed"
        case .expired: "tuf.expired"
        case .tooLong: "tuf.too_long"
        case .missing: "tuf.missing"
        case .unreachable: "tuf.unreachable"
        case .noTarget: "tuf.no_target"
        case .wrongTarget: "tuf.wrong_target"
        case .tooMany: "tuf.too_many"
        case .notCached: "tuf.not_cached"
        case .cache: "tuf.cache"
        }
    }

    /// What was seen, in one line; names from outside are cleaned and cut.
    public var observed: String {
        switch self {
        case .malformed(let file, let why): "\(printable(file)): \(printable(why))"
        case .unsigned(let file, let valid, let threshold):
            "\(printable(file)) is signed by \(valid) of the \(threshold) keys it needs"
        case .rollback(let file, let trusted, let offered):
            "\(printable(file)) is offered in version \(offered), but version \(trusted) was trusted before"
        case .removed(let file): "\(printable(file)) was listed in the snapshot before and is not any more"
        case .mixed(let file, let why):
            "\(printable(file)) is not what the repository's metadata says: \(printable(why))"
        case .expired(let file, let end, let now):
            "\(printable(file)) expired at \(end.formatted(.iso8601)); our clock says \(now.formatted(.iso8601))"
        case .tooLong(let file, let limit): "\(printable(file)) is longer than the \(limit) bytes it may have"
        case .missing(let file): "the repository has no \(printable(file))"
        case .unreachable(let file, let why, _): "\(printable(file)) could not be fetched: \(printable(why))"
        case .noTarget(let path): "no trusted role lists a target \(printable(path))"
        case .wrongTarget(let path, let why): "target \(printable(path)): \(printable(why))"
        case .tooMany(let what, let limit): "more than \(limit) \(what)"
        case .notCached(let file): "no usable \(printable(file)) is cached"
        case .cache(let why): "the cache of trusted metadata: \(printable(why))"
        }
    }

    /// What an operator can do about it.
    public var fix: String {
        switch self {
        case .malformed, .unsigned, .rollback, .removed, .mixed, .wrongTarget:
            "see that the URL is the repository's; if it is, tell its operators: this is what an attack looks like"
        case .expired: "compare this machine's clock; if it is right, the repository's operators must publish anew"
        case .tooLong, .tooMany: "see that the URL is a TUF repository's metadata"
        case .missing: "see that the URL is a TUF repository's metadata, and the pinned root one of its roots"
        case .unreachable(_, _, isTransient: false):
            "see its URL, ca_file, private_network and plain_http in the configuration; of a command --tuf-ca-file, "
                + "--tuf-private-network and --tuf-plain-http"
        case .unreachable:
            "see that the repository is up and reachable from here; until then the cached metadata serves"
        case .noTarget: "see that the repository publishes it"
        case .notCached: "run `countersign trust update` once while the repository can be reached"
        case .cache: "see that the cache can be read and written"
        }
    }

    /// Whether a later look can succeed although nobody changes anything.
    public var isTransient: Bool {
        switch self {
        case .unreachable(_, _, let isTransient): isTransient
        case .cache: true
        default: false
        }
    }

    public var description: String { "\(code): \(observed)" }
}

/// Text from outside made fit for a log line: control and format characters replaced, cut.
func printable(_ text: String, limit: Int = 300) -> String {
    let clean = text.unicodeScalars.prefix(limit).map { scalar -> Character in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: " "
        default: Character(scalar)
        }
    }
    return String(clean) + (text.unicodeScalars.count > limit ? "…" : "")
}
