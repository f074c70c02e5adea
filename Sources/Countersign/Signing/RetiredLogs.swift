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
    /// A log that can be asked for it is asked; of another, as a Rekor v2 is, what it has from `index` on is read.
    /// - Parameter index: one below which the entry cannot be.
    /// - Throws: ``SigstoreError``, and what reading the remembered checkpoints throws.
    func lookup(_ request: [UInt8], in url: String, from index: Int64) async throws -> TlogEntry? {
        var upstream = upstream
        upstream.url = url
        let client = dependencies.map { http.gated(by: $0.gate(.rekor, url)) } ?? http
        let api = try RekorAPI(reading: request)
        let log = witnessed(InstanceServices.Log(name: url, api: api, upstream: upstream))
        let rekor = log.client(trust, http: client)
        guard let read = rekor as? any LogScan else {
            return try await log.client(trust, http: client, records: records).lookup(request)
        }
        guard let records else { return try await read.search(request, from: index) }
        return try await WatchedLog(rekor, verifier: log.checkpointVerifier(trust), records: records)
            .remembering { () throws(SigstoreError) in try await read.search(request, from: index) }
    }
}
