import Sigstore
import Support
import Testing

@testable import Countersign

/// Formats, identities, logs and the place of signatures, as the configuration may and may not have them.
@Suite struct SigningConfigurationTests {
    private func changed(_ change: (inout Configuration) throws -> Void) throws -> [String] {
        var configuration = try Configuration.parse(minimal, directory: "/etc", sources: .example)
        try change(&configuration)
        return configuration.validate().map(\.path)
    }

    private static func log(_ name: String, _ api: RekorAPI) -> InstanceServices.Log {
        .init(name: name, api: api, upstream: .init(url: "https://\(name).example.com"))
    }

    @Test func `legacy signatures need a Rekor v1`() throws {
        #expect(try changed { $0.policy.rules[0].formats = [.bundle, .legacy] } == [])
        let only2 = try changed {
            $0.policy.rules[0].formats = [.legacy]
            ($0.sigstore.rekor, $0.sigstore.logs) = (nil, [Self.log("tiles", .v2)])
        }
        #expect(only2 == ["policy.rules[0].formats"])
        let both = try changed {
            $0.policy.rules[0].formats = [.legacy]
            $0.sigstore.logs = [Self.log("tiles", .v2)]
        }
        #expect(both == [])
        #expect(try changed { $0.policy.rules[0].formats = [] } == ["policy.rules[0].formats"])
    }

    @Test func `a Rekor v2 needs a timestamp authority, a Rekor v1 none`() throws {
        #expect(try changed { $0.sigstore.timestampAuthority = nil } == [])
        let tiles = try changed {
            $0.sigstore.timestampAuthority = nil
            $0.sigstore.logs = [Self.log("tiles", .v2)]
        }
        #expect(tiles == ["sigstore.timestamp_authority"])
        let key = try changed {
            $0.sigstore.timestampAuthority = nil
            $0.sigstore.logs = [Self.log("tiles", .v2)]
            $0.sigstore.identity = IdentityConfiguration(proof: .key(.init(file: "cosign.key")))
        }
        #expect(key == ["sigstore.timestamp_authority"])
    }

    @Test func `the instance's logs have the time that a Rekor v2 needs, whichever they are today`() throws {
        func complains(of timeout: Duration) throws -> Bool {
            try changed {
                $0.sigstore = .leftToTheInstance
                $0.sigstore.upstreams.timeout = timeout
            }.contains("sigstore.upstreams.timeout")
        }
        #expect(try complains(of: .seconds(19)))
        #expect(try !complains(of: .seconds(20)))
        #expect(try changed { $0.sigstore.upstreams.timeout = .seconds(5) } == [], "the log is named, and a Rekor v1")
    }

    @Test func `a key is held to what the logs of its rules take`() throws {
        let folder = packageRoot + "/Tests/SigstoreTests/Fixtures/keys/"
        func problems(
            _ file: String, _ formats: [SignatureFormat], log api: RekorAPI
        ) throws -> [ConfigurationProblem] {
            var configuration = try Configuration.parse(minimal, directory: "/etc", sources: .example)
            configuration.sigstore.identity = IdentityConfiguration(proof: .key(.init(file: folder + file)))
            (configuration.sigstore.rekor, configuration.sigstore.logs) = (nil, [Self.log("log", api)])
            configuration.policy.rules[0].formats = formats
            return configuration.keyProblems
        }
        #expect(try problems("sec1.pem", [.bundle], log: .v2).isEmpty)
        #expect(try problems("ed25519.pem", [.bundle], log: .v1).isEmpty)
        for (formats, api) in [([SignatureFormat.bundle, .legacy], RekorAPI.v1), ([.bundle], .v2)] {
            let found = try problems("ed25519.pem", formats, log: api)
            #expect(found.map(\.path) == ["policy.rules[0].formats"])
            #expect(found.first?.message.contains("use a P-256 key") == true, "\(found)")
        }
        #expect(try problems("nothing.pem", [.bundle], log: .v1).map(\.path) == ["sigstore.identity.key"])
    }

    @Test func `a rule names what there is`() throws {
        #expect(
            try changed {
                $0.policy.rules[0].identity = "releases"
                $0.policy.rules[0].log = "tiles"
            } == ["policy.rules[0].identity", "policy.rules[0].log"])
        #expect(
            try changed {
                $0.sigstore.identities = [.init(name: "releases", identity: $0.sigstore.identity)]
                $0.sigstore.logs = [Self.log("tiles", .v2)]
                $0.policy.rules[0].identity = "releases"
                $0.policy.rules[0].log = "tiles"
            } == [])
        #expect(
            try changed {
                $0.sigstore.identities = [.init(name: "default", identity: $0.sigstore.identity)]
            } == ["sigstore.identities[0].name"])
    }

    @Test(arguments: ["elsewhere.example.com/signatures", "signatures", "registry.example.com/a:tag"])
    func `signatures are kept on a configured registry`(place: String) throws {
        #expect(
            try changed { $0.registries[0].signatureRepository = place } == ["registries[0].signature_repository"])
        #expect(try changed { $0.registries[0].signatureRepository = "registry.example.com/signatures" } == [])
    }

    @Test func `the policy's version tells what a rule leaves at its default from what it does not`() throws {
        var configuration = try Configuration.parse(minimal, directory: "/etc", sources: .example)
        var versions: Set<String> = [SigningPolicy(configuration).version]
        configuration.policy.rules[0].formats = [.bundle, .legacy]
        versions.insert(SigningPolicy(configuration).version)
        configuration.policy.rules[0].identity = "releases"
        versions.insert(SigningPolicy(configuration).version)
        configuration.policy.rules[0].log = "tiles"
        versions.insert(SigningPolicy(configuration).version)
        #expect(versions.count == 4)
    }

    @Test func `certificates are demanded with transparency unless it says none`() throws {
        func read(_ line: String) throws -> SigstoreConfiguration {
            let text = minimal.replacing("  trusted_root: root.json", with: "  trusted_root: root.json\n" + line)
            return try Configuration.parse(text, directory: "/etc", sources: .example).sigstore
        }
        #expect(try !read("").demands.acceptsUntransparentCertificates)
        #expect(try !read("  certificate_transparency: required").demands.acceptsUntransparentCertificates)
        #expect(try read("  certificate_transparency: none").demands.acceptsUntransparentCertificates)
        #expect(throws: ConfigurationError.self) { try read("  certificate_transparency: off") }
    }
}
