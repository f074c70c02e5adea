import Curl
import Sigstore

/// Logs that the instance replaced by new shards: they take nothing any more, and what they took can still be read.
package struct RetiredLogs: Sendable {
    private let trust: TrustKeeper
    private let witnessed: @Sendable (InstanceServices.Log) -> InstanceServices.Log
    /// How any of the instance's services is reached; its URL is the log's.
    private let upstream: UpstreamConfiguration
    private let http: HTTPClient
    private let records: LogRecords?
    private let dependencies: Dependencies?

    init(
        _ trust: TrustKeeper, upstream: UpstreamConfiguration, http: HTTPClient, records: LogRecords? = nil,
        dependencies: Dependencies? = nil,
        witnessed: @escaping @Sendable (InstanceServices.Log) -> InstanceServices.Log = { $0 }
    ) {
        self.trust = trust
        self.witnessed = witnessed
        self.upstream = upstream
        self.http = http
        self.records = records
        self.dependencies = dependencies
    }

    /// The entry that a request made in the log at `url`; nil if that log has been read and does not have it.
    ///
    /// A Rekor v1 is asked for it. A Rekor v2 cannot be: it is read from `index` on.
    /// - Parameter index: one below which the entry cannot be.
    func lookup(_ request: [UInt8], in url: String, from index: Int64) async throws -> TlogEntry? {
        var upstream = upstream
        upstream.url = url
        let client = dependencies.map { http.gated(by: $0.gate(.rekor, url)) } ?? http
        let version = RekorV2.reads(request) ? 2 : 1
        let log = witnessed(InstanceServices.Log(name: url, version: version, upstream: upstream))
        guard version == 2 else { return try await log.client(trust, http: client, records: records).lookup(request) }
        let tiled = log.tiled(trust, http: client)
        guard let records else { return try await tiled.search(request, from: index) }
        return try await WatchedLog(tiled, verifier: log.checkpointVerifier(trust), records: records)
            .remembering { () throws(SigstoreError) in try await tiled.search(request, from: index) }
    }
}
