import OCI
import StrictJSON
import Testing

@testable import Countersign

@Suite struct EventVerdictTests {
    private let digest = "sha256:" + String(repeating: "a", count: 64)

    @Test func `a push by tag is signed by its digest`() throws {
        let repository = try Repository(registry: "registry.example.com", name: "team/app")
        #expect(rules().verdict(on: push()) == .sign(repository, try Digest(digest), rule: "team"))
    }

    @Test func `a push that names only a tag is resolved`() throws {
        let repository = try Repository(registry: "registry.example.com", name: "team/app")
        for malformed in [nil, "", "sha256:abc", "sha256:" + String(repeating: "A", count: 64), "md5:00"] {
            var event = push()
            event.digest = malformed
            #expect(rules().verdict(on: event) == .resolve(repository, tag: "v1", rule: "team"))
        }
    }

    @Test(arguments: ["", "sha256:abc", "-v1", ".v1", "a/b", String(repeating: "a", count: 129), "é"])
    func `without a digest and a usable tag there is nothing to do, which is said`(tag: String) {
        var event = push()
        event.digest = nil
        event.tag = tag
        #expect(
            rules().verdict(on: event)
                == .refused(
                    registry: "registry.example.com", reason: "the event names neither a valid digest nor a tag"))
    }

    @Test func `an event without a host is for the registry of its endpoint only where that is configured`() {
        var event = push()
        event.registryHost = nil
        #expect(
            rules().verdict(on: event)
                == .refused(registry: "registry.example.com", reason: "the event names no host"))
        #expect(rules { $0.trustHost = false }.verdict(on: event).label == "sign")
    }

    @Test func `an image pushed with our library is an image`() {
        var event = push()
        event.userAgent = "countersign/1.0"
        #expect(rules().verdict(on: event).label == "sign")
    }

    @Test func `one layer that is no signature makes an image`() {
        let (config, layer) = (
            "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
        )
        for references in [
            [config, layer, "application/vnd.in-toto+json"], ["application/vnd.in-toto+json", layer], [config],
        ] {
            var event = push()
            event.mediaType = MediaType.ociManifest
            event.references = references
            #expect(rules().verdict(on: event).label == "sign", "\(references)")
        }
    }

    @Test func `without a tag nothing is signed unless the rule says so`() {
        var event = push()
        event.tag = nil
        #expect(rules().verdict(on: event).label == "refused")
    }

    @Test(arguments: [
        "registry.example.com", "REGISTRY.example.com", "registry.example.com:443", "inside.example.com:5000",
    ]) func `the registry's name and aliases are one`(host: String) {
        var event = push()
        event.registryHost = host
        #expect(rules().verdict(on: event).label == "sign")
    }

    @Test(arguments: [
        "evil.example.com", "registry.example.com:5000", "registry.example.com.evil.com", "", "127.0.0.1",
        "registry.example.com@evil.com",
    ]) func `any other host is refused`(host: String) {
        var event = push()
        event.registryHost = host
        #expect(rules().verdict(on: event).label == "refused")
        #expect(rules { $0.trustHost = false }.verdict(on: event).label == "sign")
    }

    @Test(arguments: [
        "other/app", "team", "team/../app", "Team/app", "team//app", "", "team/app:v1", "team/app@sha256",
    ])
    func `any other repository is refused`(name: String) {
        var event = push()
        event.repository = name
        #expect(rules().verdict(on: event).label == "refused")
    }

    @Test func `only of repositories on its list does an endpoint say where a tag points`() throws {
        func speaks(_ change: (inout PushEvent) -> Void = { _ in }) throws -> Bool {
            var event = push()
            change(&event)
            switch rules().verdict(on: event) {
            case .ignored: return false
            case .refused(let registry, let reason):
                return EnqueueRequest(event, of: registry, refusedFor: reason, endpoint: endpoint()).speaksForTag
            case .sign(let repository, _, let rule), .resolve(let repository, _, let rule):
                return EnqueueRequest(
                    event, in: repository, allowedBy: rule, policyVersion: "v1", endpoint: endpoint()
                ).speaksForTag
            }
        }
        #expect(try speaks())
        #expect(
            try speaks { $0.mediaType = "application/vnd.docker.distribution.manifest.v1+json" }, "refused, and its own"
        )
        #expect(try !speaks { $0.repository = "other/app" })
        #expect(try !speaks { $0.registryHost = "unknown.example.com" })
        #expect(try !speaks { $0.repository = nil })
    }

    @Test func `what signers push is ignored before anything else`() {
        let hex = String(repeating: "b", count: 64)
        for tag in ["sha256-\(hex)", "sha256-\(hex).sig", "sha256-\(hex).att", "sha256-\(hex).sbom"] {
            var event = push()
            event.tag = tag
            event.registryHost = "unknown.example.com"
            #expect(rules().verdict(on: event) == .ignored(.signerTag))
        }
        for agent in ["countersign", "countersign/1.0"] {
            var event = push()
            event.userAgent = agent
            event.tag = nil
            #expect(rules().verdict(on: event) == .ignored(.ownPush))
        }
        var event = push()
        event.userAgent = "signer/2.0 (linux)"
        #expect(rules { $0.ignoredUserAgents = [glob("signer/**")] }.verdict(on: event) == .ignored(.otherSigner))
        event = push()
        event.actor = "robot"
        #expect(rules { $0.ignoredActors = ["robot"] }.verdict(on: event) == .ignored(.ownPush))
        for type in [
            "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.cosign.simplesigning.v1+json",
            "application/vnd.dsse.envelope.v1+json", "application/vnd.in-toto+json",
        ] {
            var event = push()
            event.mediaType = MediaType.ociManifest
            event.references = ["application/vnd.oci.empty.v1+json", type, type]
            #expect(rules().verdict(on: event) == .ignored(.signatureMaterial))
        }
    }

    @Test func `an agent that merely resembles ours is looked at`() {
        var event = push()
        event.userAgent = "countersigner/1.0"
        #expect(rules().verdict(on: event).label == "sign")
    }

    private func push() -> PushEvent {
        var event = PushEvent(registryHost: "registry.example.com", repository: "team/app")
        event.digest = digest
        event.tag = "v1"
        return event
    }

    private func endpoint() -> EndpointConfiguration {
        var endpoint = EndpointConfiguration(name: "main", registry: "registry.example.com", secrets: [])
        endpoint.repositories = [glob("team/**")]
        return endpoint
    }

    private func rules(_ change: (inout EndpointConfiguration) -> Void = { _ in }) -> EndpointRules {
        var endpoint = endpoint()
        change(&endpoint)
        var registry = RegistryConfiguration(
            name: "registry.example.com", upstream: .init(url: "https://inside.example.com:5000"))
        registry.aliases = ["inside.example.com:5000"]
        let policy = SigningPolicy(
            rules: [.init(name: "team", repositories: [glob("*/team/**")])], registries: [registry.name])
        return EndpointRules(endpoint: endpoint, registry: registry, policy: policy)
    }
}

@Suite struct SigningPolicyTests {
    @Test func `without a rule nothing is signed`() throws {
        let policy = policy([])
        #expect(
            policy.decide(try app, tagged: true)
                == .refuse(reason: "no policy rule matches registry.example.com/team/app"))
    }

    @Test func `the first rule that matches decides`() throws {
        var refuse = rule("scratch", "registry.example.com/team/**")
        refuse.effect = .refuse
        let policy = policy([refuse, rule("all", "**")])
        let reason = "policy rule 'scratch' refuses registry.example.com/team/app"
        #expect(policy.decide(try app, tagged: true) == .refuse(reason: reason))
        let other = try Repository(registry: "registry.example.com", name: "other/app")
        #expect(policy.decide(other, tagged: true) == .sign(rule("all", "**")))
    }

    @Test func `untagged pushes can be refused, but only where it is known that there was no tag`() throws {
        var tagged = rule("all", "**")
        tagged.untagged = .refuse
        tagged.index = .both
        let policy = policy([tagged])
        #expect(
            policy.decide(try app, tagged: false)
                == .refuse(
                    reason: "policy rule 'all' does not sign what has no tag (a child of an index, a push by digest); "
                        + "push it with a tag, or set 'untagged: sign'"))
        #expect(policy.decide(try app, tagged: true) == .sign(tagged))
        #expect(policy.decide(try app, tagged: nil) == .sign(tagged))
    }

    @Test func `the version names the content and nothing else`() {
        let policy = policy([rule("all", "**")])
        #expect(policy.version == self.policy([rule("all", "**")]).version)
        var changed = rule("all", "**")
        changed.index = .children
        let others = [[], [changed], [rule("other", "**")], [rule("all", "*")], [rule("all", "**"), rule("b", "**")]]
        #expect(Set(others.map { self.policy($0).version } + [policy.version]).count == 6)
    }

    @Test func `a repository that no endpoint lists is refused, whatever the rules say`() throws {
        var endpoint = EndpointConfiguration(name: "main", registry: "registry.example.com", secrets: [])
        endpoint.repositories = [glob("team/**")]
        var second = EndpointConfiguration(name: "second", registry: "registry.example.com", secrets: [])
        second.repositories = [glob("library/*")]
        let rules = PolicyConfiguration(rules: [rule("all", "**")])
        let listing = SigningPolicy(rules, endpoints: [endpoint, second])
        #expect(listing.decide(try app, tagged: nil) == .sign(rule("all", "**")))
        #expect(listing.isListed(try Repository(registry: "registry.example.com", name: "library/x")))
        #expect(!listing.isListed(try Repository(registry: "other.example.com", name: "team/app")))
        let removed = SigningPolicy(rules, endpoints: [second])
        #expect(
            removed.decide(try app, tagged: nil)
                == .refuse(reason: "no endpoint lists repository registry.example.com/team/app"))
        #expect(removed.version != listing.version)
        #expect(SigningPolicy(rules, endpoints: [second, endpoint]).version == listing.version)
    }

    private func policy(_ rules: [PolicyConfiguration.Rule]) -> SigningPolicy {
        SigningPolicy(rules: rules, registries: ["registry.example.com"])
    }

    private var app: Repository {
        get throws { try Repository(registry: "registry.example.com", name: "team/app") }
    }

    private func rule(_ name: String, _ pattern: String) -> PolicyConfiguration.Rule {
        .init(name: name, repositories: [glob(pattern)])
    }
}

@Suite struct ScrubbedRecordTests {
    @Test func `addresses, links and tokens do not stay`() throws {
        let event = #"""
            {"id": "1", "target": {"url": "http://u:p@host/x", "digest": "sha256:aa", "tag": "v1"},
             "request": {"addr": "192.0.2.1:5", "host": "registry.example.com", "useragent": "x https://evil/?token=1"},
             "actor": {"name": "Bearer abc"}, "source": {"addr": "10.0.0.1"}, "note": "eyJhbGciOiJIUzI1NiJ9.e30.x"}
            """#
        let record = String(decoding: ScrubbedRecord.render(try JSONValue(parsing: Array(event.utf8))), as: UTF8.self)
        for gone in ["192.0.2.1", "10.0.0.1", "http", "u:p", "Bearer", "eyJ", "token=1"] {
            #expect(!record.contains(gone), "\(gone) in \(record)")
        }
        for kept in ["\"id\":\"1\"", "sha256:aa", "v1", "registry.example.com"] { #expect(record.contains(kept)) }
    }

    @Test func `the record is bounded`() throws {
        let entries = (0..<2000).map { "{\"n\": \"\($0)\", \"s\": \"\(String(repeating: "x", count: 1000))\"}" }
        let event = try JSONValue(parsing: Array("{\"references\": [\(entries.joined(separator: ","))]}".utf8))
        #expect(ScrubbedRecord.render(event).count <= ScrubbedRecord.maxBytes)
    }
}
