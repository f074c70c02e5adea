package import Curl
import OpenSSL
package import Sigstore

/// The logs of a trusted root as one asks them, and what each said before.
package struct OnlineLogs: Sendable {
    private let root: TrustedRoot
    private let logs: TrustedLogs
    private let url: String?
    private let http: HTTPClient
    private let remember: @Sendable (_ log: String) -> Memory

    /// What is remembered of a log, and who is told when it contradicts itself.
    package struct Memory: Sendable {
        package let store: any CheckpointStore
        package let alarm: @Sendable (LogContradiction) async throws -> Void

        package init(store: any CheckpointStore, alarm: @escaping @Sendable (LogContradiction) async throws -> Void) {
            self.store = store
            self.alarm = alarm
        }

        /// Of one user, in files.
        package init(folder: String) {
            let files = FileCheckpoints(folder: folder)
            self.init(store: files) { contradiction in try files.keep(contradiction) }
        }

        /// Of the daemons, in their database: a contradiction stops their signing, too.
        package init(_ records: LogRecords, of log: String) {
            self.init(store: records.store(of: log)) { contradiction in
                try await records.raise(contradiction, of: log)
            }
        }
    }

    /// - Parameters:
    ///   - url: where the log is, in place of what the trusted root says.
    ///   - configured: those of a daemon's configuration.
    ///   - others: how logs are reached that `configured` does not name; its `url` is not used.
    ///   - witnessed: gives the others the witnesses that it has for them.
    ///   - remember: by the log's URL.
    package init(
        root: TrustedRoot, url: String? = nil, configured: [InstanceServices.Log] = [], others: UpstreamConfiguration,
        witnessed: @escaping TrustedLogs.Witnessed = { $0 }, http: HTTPClient,
        remember: @escaping @Sendable (_ log: String) -> Memory
    ) {
        self.root = root
        logs = TrustedLogs(root, named: configured, others: others, witnessed: witnessed)
        self.url = url
        self.http = http
        self.remember = remember
    }

    /// The logs of an instance as a daemon's configuration reaches them: each that it or the signing configuration names as
    /// is said there, and those that only the trusted root knows, such as older ones, as the signing configuration's.
    /// - Parameters:
    ///   - url: where the log is, in place of what the trusted root says.
    ///   - others: how logs are reached that the configuration does not name, in place of what it says.
    ///   - remember: by the log's URL.
    package init(
        _ trust: Trust, as sigstore: SigstoreConfiguration, url: String? = nil, others: UpstreamConfiguration? = nil,
        http: HTTPClient, remember: @escaping @Sendable (_ log: String) -> Memory
    ) {
        self.init(
            root: trust.trustedRoot, url: url, configured: sigstore.knownLogs(trust.signingConfig),
            others: others ?? sigstore.upstreams, witnessed: { sigstore.witnessed($0) }, http: http,
            remember: remember)
    }

    /// The log that has `entry`.
    /// - Throws: ``SigstoreError/misconfigured(_:detail:)`` if the trusted root does not say where it is, and as
    ///   ``TrustedLogs/log(of:at:)``.
    package func log(of entry: TlogEntry) throws(SigstoreError) -> OnlineCheck.Log {
        guard let log = try logs.log(of: entry, at: url) else {
            throw .misconfigured(
                .rekor, detail: "the trusted root does not say where the log \(Hex.encode(entry.logID)) is")
        }
        let trusted = root.tlogs
        let verifier = log.checkpointVerifier { trusted }
        let reader = log.client(verifier, http: http)
        let memory = remember(reader.id)
        return OnlineCheck.Log(reader: reader, verifier: verifier, store: memory.store, alarm: memory.alarm)
    }
}
