import Testing

@testable import Countersign

@Suite struct ConfigurationValidationTests {
    @Test func `a small configuration is valid`() throws {
        #expect(try small().validate() == [])
    }

    @Test func `what must not be is refused, all of it at once`() throws {
        var configuration = try small()
        configuration.environment = .production
        configuration.sigstore.rekor?.url = "https://rekor.sigstore.dev"
        configuration.sigstore.identity.subjectAlternativeName = ""
        configuration.sigstore.identity.issuer = ""
        configuration.sigstore.fulcio?.url = "http://fulcio.example.com"
        configuration.registries[0].aliases = ["registry.example.com", "UPPER.example.com", "https://x"]
        configuration.endpoints[0].registry = "elsewhere.example.com"
        configuration.endpoints[0].secrets = [
            Secret("short"), Secret("a longer secret value"), Secret("a third secret value"),
        ]
        configuration.endpoints.append(configuration.endpoints[0])
        configuration.policy.rules.append(configuration.policy.rules[0])
        configuration.worker.heartbeat = .seconds(20)
        configuration.database.url = Secret("mysql://x")
        let paths = configuration.validate().map(\.path)
        #expect(
            paths == [
                "database.url", "sigstore.identity.subject_alternative_name", "sigstore.identity.issuer",
                "sigstore.fulcio.url", "sigstore.rekor.url", "registries[0].aliases", "registries[0].aliases",
                "registries[0].aliases", "endpoints[0].registry", "endpoints[0].secret", "endpoints[0].secret",
                "endpoints[1].name", "endpoints[1].registry", "endpoints[1].secret", "endpoints[1].secret",
                "policy.rules[1].name", "worker.heartbeat",
            ])
    }

    @Test func `the public log needs an acknowledgement`() throws {
        var configuration = try small()
        configuration.sigstore.rekor?.url = "https://rekor.sigstore.dev"
        #expect(configuration.validate().map(\.path) == ["sigstore.rekor.url"])
        configuration.sigstore.publicLog = .acknowledged
        #expect(configuration.validate() == [])
    }

    @Test func `a worker is not taken for stuck while one request may still be under way`() throws {
        var configuration = try small()
        #expect(configuration.longestSilence == .seconds(60))
        configuration.registries[0].upstream.timeout = .seconds(120)
        configuration.budgets.wait = .seconds(4)
        #expect(configuration.longestSilence == .seconds(180))
        configuration.registries[0].upstream.timeout = .seconds(1)
        (configuration.sigstore.upstreams.timeout, configuration.budgets.wait) = (.seconds(1), .zero)
        #expect(configuration.longestSilence == .seconds(60))
    }

    @Test func `the credential that deletes is not the ordinary one`() throws {
        var configuration = try small()
        configuration.registries[0].credentials = .basic(username: "u", password: Secret("p"))
        configuration.registries[0].deletion = configuration.registries[0].credentials
        #expect(configuration.validate().map(\.path) == ["registries[0].deletion"])
        configuration.registries[0].deletion = .basic(username: "remover", password: Secret("q"))
        #expect(configuration.validate() == [])
    }

    @Test func `two registries cannot share a name or an alias`() throws {
        var configuration = try small()
        var other = RegistryConfiguration(name: "b.example.com", upstream: .init(url: "https://b.example.com"))
        other.aliases = ["registry.example.com"]
        configuration.registries.append(other)
        #expect(configuration.validate().map(\.path) == ["registries[1].aliases"])
    }

    @Test(arguments: ["ftp://a", "a.example.com", "https://", "https://user@a", "https://a?b", "https://a#b", ""])
    func `an upstream is a plain web address`(url: String) throws {
        var configuration = try small()
        configuration.sigstore.rekor?.url = url
        #expect(configuration.validate().map(\.path) == ["sigstore.rekor.url"])
    }

    private func small() throws -> Configuration {
        try Configuration.parse(minimal, directory: "/etc", sources: .example)
    }
}

@Suite struct GlobTests {
    @Test(arguments: [
        ("team/*", "team/app", true), ("team/*", "team/app/x", false), ("team/**", "team/app/x", true),
        ("team/**", "team/", true), ("team/**", "team", false), ("**", "a/b/c", true), ("*", "a/b", false),
        ("*", "", true),
        ("team/app", "team/app2", false), ("team/app", "xteam/app", false), ("**/app", "a/b/app", true),
        ("**/app", "app", false), ("a?c", "abc", true), ("a?c", "a/c", false), ("a*c", "ac", true),
        ("a**c", "a/b/c", true),
        ("registry.example.com/**", "registryXexample.com/a", false), ("[ab]", "a", false), ("*/*", "a/b", true),
    ]) func `the whole name must match`(pattern: String, name: String, expected: Bool) throws {
        #expect(try Glob(pattern).matches(name) == expected)
    }

    @Test func `a hostile name and pattern stay cheap`() throws {
        let glob = try Glob(String(repeating: "*a", count: 200) + "b")
        #expect(!glob.matches(String(repeating: "a", count: 4000)))
    }

    @Test(arguments: [("", GlobError.empty), ("a b", .unprintable), ("***", .ambiguous), ("é", .unprintable)])
    func `what is not a pattern is refused`(pattern: String, error: GlobError) {
        #expect(throws: error) { try Glob(pattern) }
    }
}
