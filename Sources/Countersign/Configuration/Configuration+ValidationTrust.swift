extension Problems {
    /// Files that are named, a repository that can be reached as it says.
    mutating func trust(_ trust: TrustConfiguration) {
        switch trust {
        case .files(let root, let signingConfig):
            check(!root.isEmpty, "sigstore.trusted_root", "must name a file")
            check(signingConfig != "", "sigstore.signing_config", "must name a file")
        case .clientTrustConfig(let path): check(!path.isEmpty, "sigstore.client_trust_config", "must name a file")
        case .tuf(let tuf):
            check(!tuf.root.isEmpty, "sigstore.tuf.root", "must name a file")
            upstream("sigstore.tuf", tuf.site)
            if let url = tuf.targetsURL {
                var targets = tuf.site
                targets.url = url
                if targets.host == nil {
                    add("sigstore.tuf.targets_url", "'\(url)' is not an http(s) URL without user, query and fragment")
                } else {
                    check(
                        url.hasPrefix("https://") || targets.plainHTTP, "sigstore.tuf.targets_url",
                        "http:// sends everything in clear; set 'plain_http: true' if that is meant")
                }
            }
            check(tuf.refresh >= .seconds(10), "sigstore.tuf.refresh", "must be at least 10s")
            check(!tuf.trustedRoot.isEmpty, "sigstore.tuf.trusted_root", "must name a target")
            check(!tuf.signingConfig.isEmpty, "sigstore.tuf.signing_config", "must name a target")
        }
    }
}
