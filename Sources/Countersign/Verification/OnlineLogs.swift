package import Curl
import OpenSSL
package import Sigstore

/// The logs of a trusted root as one asks them: where each is, which API it speaks, how it is reached, what it said before.
package struct OnlineLogs: Sendable {
    private let root: TrustedRoot
    private let http: HTTPClient
    private let route: HTTPRoute
    private let url: String?
    private let configured: [InstanceServices.Log]
    private let witnessed: @Sendable (InstanceServices.Log) -> InstanceServices.Log
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
    ///   - route: how logs are reached that `configured` does not name.
    ///   - configured: those of a daemon's configuration.
    ///   - witnessed: gives the others the witnesses that it has for them.
    ///   - remember: by the log's URL.
    package init(
        root: TrustedRoot, url: String? = nil, http: HTTPClient, route: HTTPRoute,
        configured: [InstanceServices.Log] = [],
        witnessed: @escaping @Sendable (InstanceServices.Log) -> InstanceServices.Log = { $0 },
        remember: @escaping @Sendable (_ log: String) -> Memory
    ) {
        self.root = root
        self.url = url
        self.http = http
        self.route = route
        self.configured = configured
        self.witnessed = witnessed
        self.remember = remember
    }

    /// The logs of an instance as a daemon's configuration reaches them: each that it or the signing configuration names as
    /// is said there, and those that only the trusted root knows, such as older ones, as the signing configuration's.
    /// - Parameters:
    ///   - url: where the log is, in place of what the trusted root says.
    ///   - route: how logs are reached that the configuration does not name, in place of what it says.
    ///   - remember: by the log's URL.
    package init(
        _ trust: Trust, as sigstore: SigstoreConfiguration, url: String? = nil, http: HTTPClient,
        route: HTTPRoute? = nil, remember: @escaping @Sendable (_ log: String) -> Memory
    ) {
        self.init(
            root: trust.trustedRoot, url: url, http: http, route: route ?? sigstore.upstreams.route,
            configured: sigstore.knownLogs(trust.signingConfig), witnessed: { sigstore.witnessed($0) },
            remember: remember)
    }

    /// The log that has `entry`.
    /// - Throws: ``SigstoreError/misconfigured(_:detail:)`` if the trusted root does not say where it is.
    package func log(of entry: TlogEntry) throws(SigstoreError) -> OnlineCheck.Log {
        let trusted = root.tlogs(withID: entry.logID)
        guard let address = url ?? trusted.map(\.baseURL).first(where: { !$0.isEmpty }) else {
            throw .misconfigured(
                .rekor, detail: "the trusted root does not say where the log \(Hex.encode(entry.logID)) is")
        }
        let named = configured.first { $0.upstream.url.withoutSlash == address.withoutSlash }
        let logs = root.tlogs
        let log = named ?? witnessed(.init(name: "", version: entry.isTiled ? 2 : 1, upstream: .init(url: address)))
        let verifier = CheckpointVerifier(logs: { logs }, witnesses: log.witnesses, quorum: log.witnessQuorum)
        let route = named?.upstream.route ?? route
        let reader: any LogReader =
            entry.isTiled
            ? RekorV2(url: address, tilesURL: named?.tilesURL, verifier: verifier, http: http, route: route)
            : RekorV1(url: address, http: http, route: route)
        let memory = remember(reader.id)
        return OnlineCheck.Log(reader: reader, verifier: verifier, store: memory.store, alarm: memory.alarm)
    }
}

extension String {
    /// A URL as it is compared: whether or not it ends with a slash.
    var withoutSlash: Substring { hasSuffix("/") ? dropLast() : self[...] }
}
