/// Where trust material comes from: whom we verify against and, unless the configuration names them, where we sign.
package enum TrustConfiguration: Sendable, Equatable {
    /// Files that somebody else replaces: `trusted_root.json`, and the signing configuration if the services come from it.
    case files(trustedRoot: String, signingConfig: String?)
    /// One file with both, as private instances hand it out.
    case clientTrustConfig(String)
    /// A TUF repository.
    case tuf(TUFConfiguration)
}

/// A TUF repository that distributes an instance's trust material.
package struct TUFConfiguration: Sendable, Equatable {
    /// The pinned root.json: the one thing that must come by another way.
    package var root: String
    /// How the repository is reached; its URL is the folder of `timestamp.json`.
    package var site: UpstreamConfiguration
    /// The folder of the targets. Default `targets` below the URL.
    package var targetsURL: String?
    /// How often to look for news. Default 1 h.
    package var refresh: Duration = .seconds(3600)
    /// The target with the trusted root.
    package var trustedRoot = "trusted_root.json"
    /// The target with the signing configuration; need not exist where the configuration names all services.
    package var signingConfig = "signing_config.v0.2.json"

    package init(root: String, site: UpstreamConfiguration) {
        self.root = root
        self.site = site
    }
}
