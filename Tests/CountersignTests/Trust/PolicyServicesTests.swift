import FoundationEssentials
import OpenSSL
import Sigstore
import Support
import Testing

@testable import Countersign

/// What a signing configuration names must do for every rule of the policy: at the start, at a rotation, and to doctor.
@Suite struct PolicyServicesTests {
    /// A signing configuration.
    private struct Services {
        /// Version and operator of each log, and how many of them each signature wants.
        var logs = [(version: 1, operator: "a")]
        var logSelector = #"{"selector":"ANY"}"#
        var authorities = ["a"]
        var authoritySelector = #"{"selector":"ANY"}"#

        var json: [UInt8] {
            func service(_ host: String, _ version: Int, _ operator: String) -> String {
                """
                {"url":"https://\(host).example","majorApiVersion":\(version),"operator":"\(`operator`)",\
                "validFor":{"start":"2020-01-01T00:00:00Z"}}
                """
            }
            let logs = logs.map { service("log\($0.version)\($0.operator)", $0.version, $0.operator) }
            let authorities = authorities.map { service("tsa\($0)", 1, $0) }
            return Array(
                """
                {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[\(service("ca", 1, "a"))],
                 "rekorTlogUrls":[\(logs.joined(separator: ","))],"rekorTlogConfig":\(logSelector),
                 "tsaUrls":[\(authorities.joined(separator: ","))],"tsaConfig":\(authoritySelector)}
                """.utf8)
        }
    }

    private static func configuration(
        _ formats: [SignatureFormat] = [.bundle], log: String? = nil
    ) throws -> Configuration {
        var configuration = Configuration(
            database: DatabaseConfiguration(url: Secret("postgresql://example/none")), sigstore: .leftToTheInstance)
        var rule = SigningLine.Setup.rule("releases", formats: formats)
        rule.log = log
        configuration.policy.rules = [rule]
        return configuration
    }

    /// As `serve` starts.
    private static func keeper(
        _ configuration: Configuration, _ source: ScriptedTrust, _ metrics: TrustMetrics
    ) async throws -> TrustKeeper {
        let sigstore = configuration.sigstore
        return try await TrustKeeper(
            source, allowsLab: false,
            services: { config, now throws(TrustError) in try sigstore.services(config, at: now) },
            check: { config, services, now throws(TrustError) in
                try configuration.check(services, of: config, at: now)
            }, metrics: metrics, logger: .silent)
    }

    /// Each with the code and a part of what is seen. What is good is one Rekor v1 and one authority.
    private static let faults: [(formats: [SignatureFormat], log: String?, Services, code: String, seen: String)] = [
        (
            [.legacy], nil, Services(logs: [(2, "a")]), "trust.rule_unsignable",
            "rule 'releases' signs in the legacy format"
        ),
        ([.bundle, .legacy], nil, Services(logs: [(2, "a")]), "trust.rule_unsignable", "needs a Rekor v1 log"),
        (
            [.bundle], nil, Services(logs: [(2, "a")], authorities: []), "trust.rule_unsignable",
            "no timestamp authority"
        ),
        (
            [.bundle], "log1a.example", Services(logs: [(1, "b")]), "trust.rule_unsignable",
            "names the log 'log1a.example'; in use are: log1b.example"
        ),
        (
            [.bundle], nil,
            Services(logs: [(1, "a"), (2, "b")], logSelector: #"{"selector":"ALL"}"#, authorities: []),
            "trust.rule_unsignable", "no timestamp authority"
        ),
        (
            [.bundle], nil, Services(logs: (1...33).map { (1, "\($0)") }, logSelector: #"{"selector":"ALL"}"#),
            "trust.several_services", "wants 33 log entries for each signature; it may have 32"
        ),
        (
            [.bundle], nil,
            Services(authorities: (1...33).map(String.init), authoritySelector: #"{"selector":"ALL"}"#),
            "trust.several_services", "wants 33 timestamps for each signature; it may have 32"
        ),
    ]

    @Test(arguments: faults.indices)
    func `what a rule cannot be signed with is refused at the start, and not followed at a rotation`(
        _ position: Int
    ) async throws {
        let (formats, log, services, code, seen) = Self.faults[position]
        let root = try TrustedRootSample().json
        let configuration = try Self.configuration(formats, log: log)
        let metrics = TrustMetrics(MetricsRegistry())
        let refused = await #expect(throws: TrustError.self) {
            _ = try await Self.keeper(configuration, ScriptedTrust(root, signingConfig: services.json), metrics)
        }
        #expect(refused?.code == code && refused?.observed.contains(seen) == true, "\(String(describing: refused))")
        #expect(refused?.fix.isEmpty == false)

        let source = ScriptedTrust(root, signingConfig: Services().json)
        let keeper = try await Self.keeper(configuration, source, metrics)
        let before = try keeper.services()
        source.set(root, signingConfig: services.json)
        let error = await #expect(throws: TrustError.self) { try await keeper.refresh() }
        #expect(error == refused)
        #expect(try keeper.services() == before)
        #expect(metrics.stale.value() == 1 && metrics.failures.value(code) == 1)
        source.set(root, signingConfig: Services().json)
        _ = try await keeper.refresh()
        #expect(metrics.stale.value() == 0)
    }

    @Test func `tiles need a timestamp under a key as well, and a rule that signs nothing needs neither`() throws {
        var configuration = try Self.configuration()
        let services = InstanceServices(
            fulcio: nil, timestampAuthorities: [],
            logs: [.init(name: "tiles", api: .v2, upstream: .init(url: "https://tiles.example"))])
        #expect(throws: TrustError.self) { try configuration.check(services, of: nil, at: Date()) }
        var bare = configuration
        bare.sigstore.identity = IdentityConfiguration(proof: .key(.init(file: "cosign.key")))
        let refused = #expect(throws: TrustError.self) { try bare.check(services, of: nil, at: Date()) }
        #expect(refused?.observed.contains("no timestamp authority") == true)
        configuration.policy.rules[0].effect = .refuse
        try configuration.check(services, of: nil, at: Date())
    }

    @Test func `a key signs for the logs that take its signatures`() throws {
        let configuration = try Self.configuration([.bundle, .legacy])
        func check(_ algorithm: KeyAlgorithm, _ apis: [RekorAPI]) throws {
            let services = InstanceServices(
                fulcio: nil, timestampAuthorities: [.init(url: "https://tsa.example")],
                logs: apis.map { api in
                    .init(name: "v\(api.version)", api: api, upstream: .init(url: "https://v\(api.version).example"))
                })
            let keys = ["default": ManagedKey(try PrivateKey.generate(algorithm))]
            try configuration.check(services, of: nil, keys: keys, at: Date())
        }
        try check(.ecdsaP256, [.v2, .v1])
        for apis in [[RekorAPI.v2, .v1], [.v1]] {
            let refused = #expect(throws: TrustError.self) { try check(.ed25519, apis) }
            #expect(refused?.code == "trust.rule_unsignable")
            #expect(refused?.observed.contains("in v\(apis[0].version):") == true)
            #expect(refused?.observed.contains("Ed25519ph") == true, "\(String(describing: refused))")
        }
    }

    @Test func `as many logs and authorities are used as the instance wants, beside what legacy signatures need`()
        throws
    {
        let configuration = try Self.configuration([.bundle, .legacy])
        func services(_ wanting: Services) throws -> (InstanceServices, logs: [String]) {
            let config = try SigningConfig(json: wanting.json)
            let services = try configuration.sigstore.services(config, at: Date())
            try configuration.check(services, of: config, at: Date())
            return (services, services.logs(for: .bundle, of: configuration.policy.rules[0]).map(\.name))
        }
        let (all, logs) = try services(
            Services(
                logs: [(2, "a"), (1, "b")], logSelector: #"{"selector":"ALL"}"#, authorities: ["a", "b", "c"],
                authoritySelector: #"{"selector":"EXACT","count":2}"#))
        #expect(all.entriesPerBundle == 2 && all.timestampAuthorities.count == 2)
        #expect(logs == ["log2a.example", "log1b.example"])
        #expect(all.logs(for: .legacy, of: configuration.policy.rules[0]).map(\.name) == ["log1b.example"])

        // a third log that dates its entries, of an operator who has a newer one
        let (both, tiled) = try services(
            Services(logs: [(2, "a"), (2, "b"), (1, "b")], logSelector: #"{"selector":"EXACT","count":2}"#))
        #expect(both.entriesPerBundle == 2 && both.logs.count == 3)
        #expect(tiled == ["log2a.example", "log2b.example"])
    }

    @Test func `what the configuration names is taken however many the instance wants`() throws {
        var configuration = try Self.configuration()
        configuration.sigstore.rekor = UpstreamConfiguration(url: "https://rekor.example")
        configuration.sigstore.timestampAuthority = UpstreamConfiguration(url: "https://tsa.example")
        let wanting = try SigningConfig(
            json: Services(
                logs: [(1, "a"), (2, "b")], logSelector: #"{"selector":"ALL"}"#, authorities: ["a", "b"],
                authoritySelector: #"{"selector":"ALL"}"#
            ).json)
        let services = try configuration.sigstore.services(wanting, at: Date())
        try configuration.check(services, of: wanting, at: Date())
        #expect(services.entriesPerBundle == 1 && services.timestampAuthorities.count == 1)
        // and both are one where one is all there is
        let one = try SigningConfig(json: Services(logSelector: #"{"selector":"ALL"}"#).json)
        let left = try Self.configuration()
        try left.check(try left.sigstore.services(one, at: Date()), of: one, at: Date())
    }
}
