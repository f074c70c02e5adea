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
            case .offline: "Ask no log: a signature brings its proofs with it."
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

    /// Runs `body` with what asks the logs of `trust`; with nil where nobody is to be asked.
    /// - Parameter configuration: the daemon's, if one was named: its logs, and its memory of them.
    func with<Answer>(
        _ trust: Trust, _ configuration: Configuration?, http: HTTPClient,
        _ body: (OnlineCheck?) async throws -> Answer
    ) async throws -> Answer {
        guard isOnline else { return try await body(nil) }
        guard let configuration, logState == nil else {
            let folder = logState ?? FileCheckpoints.defaultFolder(ProcessInfo.processInfo.environment)
            let logs = logs(trust, configuration, http: http) { _ in .init(folder: folder) }
            return try await body(OnlineCheck { try logs.log(of: $0) })
        }
        let pool = ConnectionPool(
            try configuration.database.connection(applicationName: "countersign verify"), size: 1)
        do {
            let records = LogRecords(pool: pool)
            let logs = logs(trust, configuration, http: http) { .init(records, of: $0) }
            let answer = try await body(OnlineCheck { try logs.log(of: $0) })
            await pool.close()
            return answer
        } catch {
            await pool.close()
            throw error
        }
    }

    private func logs(
        _ trust: Trust, _ configuration: Configuration?, http: HTTPClient,
        remember: @escaping @Sendable (_ log: String) -> OnlineLogs.Memory
    ) -> OnlineLogs {
        guard let configuration else {
            return OnlineLogs(
                root: trust.trustedRoot, url: rekorUrl, others: upstream ?? .init(url: ""), http: http,
                remember: remember)
        }
        return OnlineLogs(
            trust, as: configuration.sigstore, url: rekorUrl, others: upstream, http: http, remember: remember)
    }

    /// How a log is reached that no configuration names; nil if nothing is said of it.
    private var upstream: UpstreamConfiguration? {
        guard logPlainHttp || logPrivateNetwork || logCaFile != nil else { return nil }
        var upstream = UpstreamConfiguration(url: "")
        (upstream.plainHTTP, upstream.privateNetwork, upstream.caFile) = (logPlainHttp, logPrivateNetwork, logCaFile)
        return upstream
    }
}
