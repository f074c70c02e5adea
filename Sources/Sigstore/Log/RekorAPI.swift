public import Curl
import OpenSSL

/// One version of Rekor's API: what a log that speaks it does, needs and takes, and how it is asked.
///
/// All that tells one version from another stands in its value, which lies beside its client. Nobody compares numbers; who has
/// to know asks the log's ``TransparencyLog/api``.
public struct RekorAPI: Sendable {
    /// The versions that we speak, the oldest first.
    public static let all: [RekorAPI] = [.v1, .v2]

    /// Where a log is, and how it is reached.
    public struct Place: Sendable {
        /// Where it takes entries.
        public let url: String
        /// Where its tiles are, if not where it usually has them.
        public let tilesURL: String?
        /// How both are reached.
        public let route: HTTPRoute

        /// A place.
        public init(url: String, tilesURL: String? = nil, route: HTTPRoute = .init()) {
            self.url = url
            self.tilesURL = tilesURL
            self.route = route
        }
    }

    /// The number: `version` in a configuration, `majorApiVersion` in a signing configuration.
    public let version: Int
    /// Whether entries carry a time and a promise of the log's own. If not, a timestamp authority must say when, and the legacy
    /// format has no room for them.
    public let datesEntries: Bool
    /// Whether each log is one tree, read as tiles below a checkpoint that witnesses may cosign.
    public let isTiled: Bool
    /// Whether the log gets an envelope as it is. If not, it gets the digest of what was signed, whatever that is.
    public let takesEnvelopes: Bool
    /// The shortest time within which a request can be answered; zero if the log answers at once.
    public let shortestTimeout: Duration
    /// The kinds of the entries of such logs. A kind that is of two versions is judged as of the first.
    let entryKinds: [LogEntryKind]
    /// Whether a request is one of this version.
    let reads: @Sendable (_ request: [UInt8]) -> Bool
    /// Refuses a key of a kind that the log does not take.
    let checkKey: @Sendable (PublicKey) throws(SigstoreError) -> Void
    /// Whether a line under a checkpoint of that origin can be by the key of that log.
    let isSigner: @Sendable (TrustedLog, Checkpoint.Signature, _ origin: String) -> Bool
    /// Makes a client.
    let connect: @Sendable (Place, CheckpointVerifier, HTTPClient) -> any RekorClient

    /// A client of the log at a place.
    /// - Parameter verifier: the trusted logs, of which this must be one, and its witnesses.
    public func client(at place: Place, verifier: CheckpointVerifier, http: HTTPClient) -> any RekorClient {
        connect(place, verifier, http)
    }
}

extension RekorAPI {
    /// The version of that number.
    /// - Throws: ``SigstoreError/unsupported(_:)``, which names those that we speak.
    public init(version: Int) throws(SigstoreError) {
        guard let api = Self.all.first(where: { $0.version == version }) else {
            throw .unsupported("version \(version) of Rekor's API; it is \(Self.versions)")
        }
        self = api
    }

    /// The version that a stored request is of.
    /// - Throws: ``SigstoreError/unsupported(_:)`` if it is of none.
    public init(reading request: [UInt8]) throws(SigstoreError) {
        guard let api = Self.all.first(where: { $0.reads(request) }) else {
            throw .unsupported("a log request that is of none of \(Self.names { _ in true })")
        }
        self = api
    }

    /// The numbers of all, for people: `1 or 2`.
    public static var versions: String { all.map { String($0.version) }.joined(separator: " or ") }

    /// Those of some kind, for people: `Rekor v1 or v2`.
    public static func names(_ isMeant: (RekorAPI) -> Bool) -> String {
        "Rekor " + all.filter(isMeant).map { "v\($0.version)" }.joined(separator: " or ")
    }
}

extension RekorAPI: Equatable {
    /// There is one of each version.
    public static func == (one: Self, other: Self) -> Bool { one.version == other.version }
}

extension RekorAPI: CustomStringConvertible {
    /// `Rekor v1`.
    public var description: String { "Rekor v\(version)" }
}

/// A client of a log: enters signatures, reads what is asked for, and reads from one end to the other.
public protocol RekorClient: TransparencyLog, LogReader, LogFollower {
    /// The log's URL.
    var id: String { get }
}
