import OCI

/// A named set of repositories: claims are shared out among tenants, so that nobody's flood stands before another's push.
package struct TenantConfiguration: Sendable, Equatable {
    package var name: String
    /// Over `registry/repository`.
    package var repositories: [Glob]
    /// Endpoints whose repositories are this tenant's: their registry, and the names that they may speak for.
    package var endpoints: [Scope]

    /// What an endpoint speaks for.
    package struct Scope: Sendable, Equatable {
        package let registry: String
        package let repositories: [Glob]

        package init(registry: String, repositories: [Glob]) {
            self.registry = registry
            self.repositories = repositories
        }
    }

    package init(name: String, repositories: [Glob], endpoints: [Scope] = []) {
        self.name = name
        self.repositories = repositories
        self.endpoints = endpoints
    }

    /// Its repositories as globs over `registry/repository`: what a token for this tenant is confined to. A repository that
    /// an earlier tenant has too is among them.
    package var globs: [String] {
        repositories.map(\.pattern)
            + endpoints.flatMap { endpoint in endpoint.repositories.map { "\(endpoint.registry)/\($0.pattern)" } }
    }

    func contains(_ repository: Repository) -> Bool {
        repositories.contains { $0.matches(repository.description) }
            || endpoints.contains { endpoint in
                endpoint.registry == repository.registry
                    && endpoint.repositories.contains { $0.matches(repository.name) }
            }
    }
}

extension ConfigurationReading {
    func tenant(_ section: ConfigurationSection, _ endpoints: [EndpointConfiguration]) -> TenantConfiguration {
        TenantConfiguration(
            name: section.required("name", "what records call it"), repositories: section.globs("repositories"),
            endpoints: section.strings("endpoints").compactMap { name in
                guard let endpoint = endpoints.first(where: { $0.name == name }) else {
                    section.complain("endpoints", "'\(name)' is not the name of a configured endpoint")
                    return nil
                }
                return .init(registry: endpoint.registry, repositories: endpoint.repositories)
            })
    }
}

extension Configuration {
    /// A claim looks at each lane of each tenant: more of them would make it dear.
    private static let tenantLimit = 64

    func tenantProblems() -> [ConfigurationProblem] {
        var problems = Problems()
        var seen: Set<String> = ["everybody"]
        for (position, tenant) in tenants.enumerated() {
            let path = "tenants[\(position)]"
            problems.check(
                tenant.name.isLabel(extra: "-._"), "\(path).name",
                "'\(tenant.name)' must be lower-case letters, digits, '.', '_' and '-', at most 63")
            problems.check(
                seen.insert(tenant.name).inserted, "\(path).name",
                "'\(tenant.name)' is used twice ('everybody' is whoever no tenant names)")
            problems.check(
                !tenant.repositories.isEmpty || !tenant.endpoints.isEmpty, "\(path).repositories", "matches nothing")
        }
        problems.check(tenants.count <= Self.tenantLimit, "tenants", "more than \(Self.tenantLimit)")
        return problems.found
    }
}
