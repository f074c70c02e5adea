package import OCI

/// One webhook we answer, `POST /webhooks/{name}`.
package struct EndpointConfiguration: Sendable {
    /// The last segment of its path: `[a-z0-9-]`, at most 63.
    package var name: String
    /// The dialect its sender speaks.
    package var kind: any WebhookDialect = DistributionDialect()
    /// The canonical name of the one registry it may speak for.
    package var registry: String
    /// What its sender has to show, as its dialect says: distribution, as the whole `Authorization` header. One, or two while
    /// the secret is rotated. Compared in constant time.
    package var secrets: [Secret]
    /// Repositories it may speak for, without the host. Default none: everything is refused.
    package var repositories: [Glob] = []
    /// Whether the host inside an event must be the registry's name or one of its aliases. Default true.
    /// False takes every event as being about this endpoint's registry, whatever host the client used to push: only for
    /// registries behind proxies that rewrite the host.
    package var trustHost = true
    /// User agents whose pushes are other signers' and never looked at. Default none; our own is always known.
    package var ignoredUserAgents: [Glob] = []
    /// Account names of our own pushes, as the registry reports them. Default none. An account that also pushes images
    /// must not stand here: its images would stay unsigned.
    package var ignoredActors: [String] = []
    /// Largest body. Default 1 MiB; beyond it 413.
    package var maxBodyBytes = 1 << 20
    /// Most events of one body. Default 256; a longer list is refused as a whole (400).
    package var maxEvents = 256

    package init(name: String, registry: String, secrets: [Secret]) {
        self.name = name
        self.registry = registry
        self.secrets = secrets
    }

    /// Whether it may speak for a repository: one of its registry, on its list.
    package func speaks(for repository: Repository) -> Bool {
        repository.registry == registry && repositories.contains { $0.matches(repository.name) }
    }
}
