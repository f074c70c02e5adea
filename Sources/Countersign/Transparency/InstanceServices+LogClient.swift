package import Curl
package import Sigstore

extension InstanceServices.Log {
    /// A client of this log, for the API that it speaks. With `records` what it says is remembered, and an alarm stops it.
    package func client(
        _ trust: TrustKeeper, http: HTTPClient, records: LogRecords? = nil
    ) -> any TransparencyLog {
        let client: any TransparencyLog =
            version == 2 ? rekorV2(trust, http) : RekorV1(url: upstream.url, http: http, route: upstream.route)
        guard let records else { return client }
        return WatchedLog(client, verifier: checkpointVerifier(trust), records: records)
    }

    /// The same log for reading.
    package func reader(_ trust: TrustKeeper, http: HTTPClient) -> any LogReader {
        version == 2 ? rekorV2(trust, http) : RekorV1(url: upstream.url, http: http, route: upstream.route)
    }

    /// The same log to be read from one end to the other.
    func follower(_ trust: TrustKeeper, http: HTTPClient) -> any LogFollower {
        version == 2 ? rekorV2(trust, http) : RekorV1(url: upstream.url, http: http, route: upstream.route)
    }

    /// Whose checkpoints count: those of the trust of the moment, with the log's witnesses.
    package func checkpointVerifier(_ trust: TrustKeeper) -> CheckpointVerifier {
        CheckpointVerifier(
            logs: { trust.current.trustedRoot.tlogs }, witnesses: witnesses, quorum: witnessQuorum)
    }

    /// A Rekor v2 with all that its API can do.
    func tiled(_ trust: TrustKeeper, http: HTTPClient) -> RekorV2 { rekorV2(trust, http) }

    private func rekorV2(_ trust: TrustKeeper, _ http: HTTPClient) -> RekorV2 {
        RekorV2(
            url: upstream.url, tilesURL: tilesURL, verifier: checkpointVerifier(trust), http: http,
            route: upstream.route)
    }
}
