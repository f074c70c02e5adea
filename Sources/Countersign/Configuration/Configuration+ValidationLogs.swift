import Sigstore

extension Problems {
    /// `sigstore.rekor` and `sigstore.logs`.
    mutating func logs(_ sigstore: SigstoreConfiguration) {
        check(
            sigstore.logWatchInterval >= .seconds(1), "sigstore.log_watch.interval", "must be at least 1s")
        if let rekor = sigstore.rekor { upstream("sigstore.rekor", rekor) }
        var seen: Set<String> = sigstore.rekor == nil ? [] : ["rekor"]
        for (position, log) in sigstore.logs.enumerated() {
            let path = "sigstore.logs[\(position)]"
            check(
                log.name.isLabel(extra: "-._"), "\(path).name",
                "'\(log.name)' must be lower-case letters, digits, '.', '_' and '-', at most 63")
            check(seen.insert(log.name).inserted, "\(path).name", "'\(log.name)' is used twice")
            upstream(path, log.upstream)
            answersWithin(log.upstream.timeout, log.api, "\(path).timeout")
            check(
                log.witnesses.isEmpty || log.api.isTiled, "\(path).witnesses",
                "only a \(RekorAPI.names(\.isTiled)) has witnesses")
            cosigners("\(path).witnesses", log.witnesses, quorum: log.witnessQuorum)
            guard let tiles = log.tilesURL else { continue }
            check(log.api.isTiled, "\(path).tiles_url", "only a \(RekorAPI.names(\.isTiled)) has tiles")
            var reached = log.upstream
            reached.url = tiles
            check(
                reached.host != nil, "\(path).tiles_url",
                "'\(tiles)' is not an http(s) URL without user, query and fragment")
            check(
                tiles.hasPrefix("https://") || reached.plainHTTP, "\(path).tiles_url",
                "'\(tiles)' is in clear: set plain_http if that is meant")
        }
        if sigstore.trust.mayNameServices, sigstore.namedLogs.isEmpty {
            // which API the instance's logs speak, it may change while we run
            for api in RekorAPI.all { answersWithin(sigstore.upstreams.timeout, api, "sigstore.upstreams.timeout") }
        }
        for (position, watch) in sigstore.witnesses.enumerated() {
            let path = "sigstore.witnesses[\(position)]"
            check(!watch.logs.isEmpty, "\(path).logs", "is missing: patterns over the hosts of the logs")
            check(!watch.keys.isEmpty, "\(path).keys", "is missing: who cosigns")
            cosigners(path, watch.keys, quorum: watch.quorum)
        }
    }

    /// Whether a log of that API has the time to answer.
    private mutating func answersWithin(_ timeout: Duration, _ api: RekorAPI, _ path: String) {
        // one that is not positive is told as such
        check(
            timeout <= .zero || timeout >= api.shortestTimeout, path,
            "must be at least \(api.shortestTimeout.components.seconds)s for a \(api), which answers with its next checkpoint"
        )
    }

    private mutating func cosigners(_ path: String, _ witnesses: [Witness], quorum: Int) {
        check(
            (0...witnesses.count).contains(quorum), "\(path).quorum",
            "is how many of the \(witnesses.count) witnesses must have cosigned")
        check(Set(witnesses.map(\.name)).count == witnesses.count, "\(path).keys", "one key for each witness")
    }
}
