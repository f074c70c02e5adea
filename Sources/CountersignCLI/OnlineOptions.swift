import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import Postgres
import Sigstore

/// Whether the logs are asked, how they are reached, and where what they say is remembered.
struct OnlineOptions: ParsableArguments {
    enum Mode: String, EnumerableFlag {
        case offline, online

        static func help(for mode: Mode) -> ArgumentHelp? {
            switch mode {
            case .offline: "Ask nobody but the registry: a signature brings its proofs with it."
            case .online:
                "Ask the log, too: it must have the entry, and still tell the history that it told before. Trust material by TUF is refreshed."
            }
        }
    }

    @Flag var mode: Mode = .offline
    @Option(help: "Where the log is, if not where the trusted root says.") var rekorUrl: String?
    @Option(
        help:
            "Folder where the logs' checkpoints are remembered. Default: countersign/logs in the user's state folder; with --config the daemon's database."
    )
    var logState: String?
    @Option(help: "PEM certificates that the log's certificate must chain to.") var logCaFile: String?
    @Flag(help: "Speak http with the log.") var logPlainHttp = false
    @Flag(help: "The log may be on a private or loopback address.") var logPrivateNetwork = false

    var isOnline: Bool { mode == .online }

    /// Runs `body` with what asks the logs of `root`; with nil where nobody is to be asked.
    /// - Parameter configuration: the daemon's, if one was named: its logs, and its memory of them.
    func with<Answer>(
        _ root: TrustedRoot, _ configuration: Configuration?, http: HTTPClient,
        _ body: (OnlineCheck?) async throws -> Answer
    ) async throws -> Answer {
        guard isOnline else { return try await body(nil) }
        guard let configuration, logState == nil else {
            let folder = logState ?? FileCheckpoints.defaultFolder(ProcessInfo.processInfo.environment)
            let logs = OnlineLogs(
                root: root, url: rekorUrl, http: http, route: route,
                configured: configuration?.sigstore.namedLogs ?? [],
                witnessed: { configuration?.sigstore.witnessed($0) ?? $0 }
            ) { _ in .init(folder: folder) }
            return try await body(OnlineCheck { try logs.log(of: $0) })
        }
        let pool = ConnectionPool(
            try configuration.database.connection(applicationName: "countersign verify"), size: 1)
        do {
            let records = LogRecords(pool: pool)
            let logs = OnlineLogs(
                root: root, url: rekorUrl, http: http, route: route, configured: configuration.sigstore.namedLogs,
                witnessed: { configuration.sigstore.witnessed($0) }
            ) { .init(records, of: $0) }
            let answer = try await body(OnlineCheck { try logs.log(of: $0) })
            await pool.close()
            return answer
        } catch {
            await pool.close()
            throw error
        }
    }

    private var route: HTTPRoute {
        var route = HTTPRoute()
        route.allowPlainHTTP = logPlainHttp
        route.addresses = logPrivateNetwork ? .privateAllowed : .publicOnly
        route.caFile = logCaFile
        return route
    }
}
