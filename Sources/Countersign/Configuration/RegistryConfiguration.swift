package import OCI

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
    /// As whom manifests of ours are deleted after a revocation that asks for removal; shown with `DELETE` and nothing else.
    /// Default nil: nothing is ever deleted.
    package var deletion: Credentials?
    /// Hosts that a Bearer challenge may name as token service. Default nil: the registry's own host only.
    package var tokenRealms: [String]?
    /// The one repository, `host/name` on a configured registry, where the signatures of all images of this registry are
    /// kept (cosign: `COSIGN_REPOSITORY`). Default nil: beside each image.
    package var signatureRepository: String?

    package init(name: String, upstream: UpstreamConfiguration) {
        self.name = name
        self.upstream = upstream
    }

    package enum Credentials: Sendable, Equatable {
        case anonymous
        /// Docker's `config.json`; its entry for the registry's name is used. Read again whenever it is to be presented anew.
        /// Credential helpers are not run.
        case dockerConfig(path: String)
        /// A password from a file is read again likewise.
        case basic(username: String, password: Secret)
    }
}

extension RegistryConfiguration {
    /// ``signatureRepository``, read; nil if there is none or it is not a repository's name.
    package var signaturePlace: Repository? {
        guard let text = signatureRepository, let reference = try? Reference(text), reference.tag == nil,
            reference.digest == nil
        else { return nil }
        return reference.repository
    }
}

extension [RegistryConfiguration] {
    /// The repository under the canonical name of its registry, as records have it. Of a registry that is none of these the name
    /// stays as it is.
    package func canonical(_ repository: Repository) -> Repository {
        first { $0.isCalled(repository.registry) }
            .flatMap { try? Repository(registry: $0.name, name: repository.name) } ?? repository
    }
}
