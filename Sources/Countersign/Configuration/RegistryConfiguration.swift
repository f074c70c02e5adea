/// One registry we may talk to.
package struct RegistryConfiguration: Sendable {
    /// The canonical external name, `host[:port]`: what stands in references, statements and records.
    package var name: String
    /// Other names under which events may speak of it (inside names, old names). Default none. Never dialled.
    package var aliases: [String] = []
    /// How it is dialled.
    package var upstream: UpstreamConfiguration
    /// As whom. Default anonymous. Give it pull and push on the repositories in question, and no delete.
    package var credentials: Credentials = .anonymous
    /// Hosts that a Bearer challenge may name as token service. Default nil: the registry's own host only.
    package var tokenRealms: [String]?

    package init(name: String, upstream: UpstreamConfiguration) {
        self.name = name
        self.upstream = upstream
    }

    package enum Credentials: Sendable, Equatable {
        case anonymous
        /// Docker's `config.json`; its entry for the registry's name (or dialled host) is used. Credential helpers are not run.
        case dockerConfig(path: String)
        case basic(username: String, password: Secret)
    }
}
