package import Curl
package import Sigstore

extension InstanceServices.Log {
    /// A client of this log.
    func client(_ verifier: CheckpointVerifier, http: HTTPClient) -> any RekorClient {
        let place = RekorAPI.Place(url: upstream.url, tilesURL: tilesURL, route: upstream.route)
        return api.client(at: place, verifier: verifier, http: http)
    }

    /// A client of this log that believes the trust of the moment.
    package func client(_ trust: TrustKeeper, http: HTTPClient) -> any RekorClient {
        client(checkpointVerifier(trust), http: http)
    }

    /// The same to enter signatures with. With `records` what it says is remembered, and an alarm stops it.
    package func client(
        _ trust: TrustKeeper, http: HTTPClient, records: LogRecords?
    ) -> any TransparencyLog {
        let client = client(trust, http: http)
        guard let records else { return client }
        return WatchedLog(client, verifier: checkpointVerifier(trust), records: records)
    }

    /// Whose checkpoints count: those of the trust of the moment, with the log's witnesses.
    package func checkpointVerifier(_ trust: TrustKeeper) -> CheckpointVerifier {
        checkpointVerifier { trust.current.trustedRoot.tlogs }
    }

    /// Whose checkpoints count: those of these logs, with the witnesses of this one.
    func checkpointVerifier(_ logs: @escaping @Sendable () -> [TrustedLog]) -> CheckpointVerifier {
        CheckpointVerifier(logs: logs, witnesses: witnesses, quorum: witnessQuorum)
    }
}
