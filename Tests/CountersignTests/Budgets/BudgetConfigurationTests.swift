import FoundationEssentials
import OCI
import Testing

@testable import Countersign

@Suite struct BudgetConfigurationTests {
    private static func parse(_ keys: String) throws -> Configuration {
        try Configuration.parse(
            """
            environment: development
            database: {url: {env: DATABASE_URL}}
            sigstore:
              trusted_root: root.json
              fulcio: {url: 'https://fulcio.example.com'}
              rekor: {url: 'https://rekor.example.com'}
              identity: {token: {file: t}, subject_alternative_name: a@b.example, issuer: 'https://issuer.example'}
            registries: [{name: registry.example.com, url: 'https://registry.example.com'}]
            endpoints:
              - {name: main, registry: registry.example.com, secret: {env: SECRET}, repositories: ["team/**"]}
            policy: {rules: [{name: all, repositories: ["**"]}]}
            \(keys)
            """, directory: "/etc/countersign",
            sources: SecretSources(
                environment: ["DATABASE_URL": "postgresql://x", "SECRET": "a secret of some length"],
                file: { _ in Array("content".utf8) }))
    }

    @Test func `the first entry that fits counts, and rates are a second, a minute or an hour`() throws {
        let budgets = try Self.parse(
            """
            budgets:
              breaker: {open: 1s, ceiling: 2s}
              upstreams:
                - {upstream: rekor, name: 'https://rekor.example.com/', rate: 20/s, concurrency: 8}
                - {upstream: rekor, rate: 30/m}
                - {upstream: registry, name: registry.example.com, rate: 3600/h}
            """
        ).budgets
        let named = budgets.settings(of: Dependency(.rekor, "https://rekor.example.com"))
        #expect(named.bucket.rate == 20 && named.concurrency == 8)
        #expect(named.breaker.open == .seconds(1) && named.breaker.ceiling == .seconds(2))
        #expect(budgets.settings(of: Dependency(.rekor, "https://other.example.com")).bucket.rate == 0.5)
        #expect(budgets.settings(of: Dependency(.registry, "registry.example.com")).bucket.rate == 1)
        #expect(budgets.settings(of: Dependency(.fulcio, "https://fulcio.example.com")).bucket.rate == nil)
    }

    @Test func `a tenant is its repositories and those of its endpoints`() throws {
        let configuration = try Self.parse(
            """
            tenants:
              - {name: first, repositories: ["registry.example.com/team/a"]}
              - {name: second, endpoints: [main]}
            """)
        let tenants = Tenants(configuration.tenants)
        #expect(tenants.name(of: try Repository(registry: "registry.example.com", name: "team/a")) == "first")
        #expect(tenants.name(of: try Repository(registry: "registry.example.com", name: "team/b")) == "second")
        #expect(tenants.name(of: try Repository(registry: "registry.example.com", name: "else")) == nil)
    }

    @Test(arguments: [
        ("budgets: {upstreams: [{upstream: rekor, rate: 20}]}", "budgets.upstreams[0].rate"),
        ("budgets: {upstreams: [{upstream: rekor, rate: 0/s}]}", "budgets.upstreams[0].rate"),
        ("budgets: {upstreams: [{upstream: rekor}]}", "budgets.upstreams[0]"),
        ("budgets: {upstreams: [{rate: 1/s}]}", "budgets.upstreams[0].upstream"),
        ("budgets: {upstreams: [{upstream: rekor, concurrency: 0}]}", "budgets.upstreams[0].concurrency"),
        ("budgets: {upstreams: [{upstream: registry, name: other, rate: 1/s}]}", "budgets.upstreams[0].name"),
        ("budgets: {breaker: {open: 5m, ceiling: 1s}}", "budgets.breaker.ceiling"),
        ("budgets: {breaker: {share: 0}}", "budgets.breaker.share"),
        ("budgets: {recovery: 0s}", "budgets.recovery"),
        ("budgets: {repositories: [{repositories: ['**']}]}", "budgets.repositories[0].signatures_per_day"),
        ("budgets: {repositories: [{signatures_per_day: 1}]}", "budgets.repositories[0].repositories"),
        ("tenants: [{name: everybody, repositories: ['**']}]", "tenants[0].name"),
        ("tenants: [{name: a}]", "tenants[0].repositories"),
        ("tenants: [{name: a, endpoints: [other], repositories: ['**']}]", "tenants[0].endpoints"),
        ("worker: {live_slots: -1}", "worker.live_slots"),
    ])
    func `what cannot be is told by its place`(_ keys: String, _ path: String) throws {
        do {
            _ = try Self.parse(keys)
            Issue.record("it was read")
        } catch let error as ConfigurationError {
            #expect(error.problems.first?.path == path, "\(error.problems)")
        }
    }
}
