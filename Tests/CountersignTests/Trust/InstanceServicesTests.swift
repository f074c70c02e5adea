import FoundationEssentials
import Sigstore
import Synchronization
import Testing

@testable import Countersign

/// Where we sign, out of the configuration and a signing configuration.
@Suite struct InstanceServicesTests {
    private static func config(host: String = "example.com", start: String = "2020-01-01T00:00:00Z") throws
        -> SigningConfig
    {
        try SigningConfig(json: json(host: host, start: start))
    }

    private static func json(host: String, start: String = "2020-01-01T00:00:00Z") -> [UInt8] {
        func service(_ name: String, _ version: Int = 1) -> String {
            """
            [{"url":"https://\(name).\(host)","majorApiVersion":\(version),"operator":"o","validFor":{"start":"\(start)"}}]
            """
        }
        return Array(
            """
            {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":\(service("fulcio")),
             "rekorTlogUrls":\(service("log", 2)),"rekorTlogConfig":{"selector":"ANY"},
             "tsaUrls":\(service("tsa")),"tsaConfig":{"selector":"ANY"}}
            """.utf8)
    }

    @Test func `what the configuration names wins, the rest is the signing configuration's`() throws {
        var sigstore = SigstoreConfiguration.leftToTheInstance
        sigstore.upstreams.privateNetwork = true
        sigstore.upstreams.timeout = .seconds(7)
        var services = try sigstore.services(Self.config(), at: Date())
        #expect(services.fulcio?.url == "https://fulcio.example.com")
        #expect(services.fulcio?.privateNetwork == true && services.fulcio?.timeout == .seconds(7))
        #expect(services.timestampAuthorities.map(\.url) == ["https://tsa.example.com"])
        #expect(services.logs.map(\.api) == [.v2] && services.logs[0].name == "log.example.com")

        // whoever names the logs, their witnesses are known
        let key = "witness.example.com+94947cf1+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
        let witnesses = [try Witness(verifierKey: key)]
        sigstore.witnesses = [
            .init(logs: [try Glob("rekor.*")], keys: [], quorum: 0),
            .init(logs: [try Glob("log*.example.com")], keys: witnesses, quorum: 1),
        ]
        let watched = try #require(try sigstore.services(Self.config(), at: Date()).logs.first)
        #expect(watched.witnesses == witnesses && watched.witnessQuorum == 1)
        var named = watched
        named.upstream.url = "https://elsewhere.example.com"
        (named.witnesses, named.witnessQuorum) = ([], 0)
        #expect(sigstore.witnessed(named).witnesses.isEmpty)
        (named.upstream.url, named.api) = ("https://log.example.com", .v1)
        #expect(sigstore.witnessed(named).witnesses.isEmpty, "a Rekor v1 has none")

        sigstore.fulcio = UpstreamConfiguration(url: "https://mine.example.net")
        sigstore.rekor = UpstreamConfiguration(url: "https://rekor.example.net")
        services = try sigstore.services(Self.config(), at: Date())
        #expect(services.fulcio?.url == "https://mine.example.net" && services.fulcio?.privateNetwork == false)
        #expect(services.logs.map(\.upstream.url) == ["https://rekor.example.net"])
    }

    @Test func `logs are known beside those that are signed with, and outside their time`() throws {
        var sigstore = SigstoreConfiguration.leftToTheInstance
        sigstore.upstreams.caFile = "/ca.pem"
        #expect(sigstore.knownLogs(nil).isEmpty)
        // not used before 2100, and public without a word: to look at its entries exposes nothing
        let later = try Self.config(host: "sigstore.dev", start: "2100-01-01T00:00:00Z")
        #expect(sigstore.knownLogs(later).map(\.upstream.url) == ["https://log.sigstore.dev"])
        #expect(sigstore.knownLogs(later).first?.upstream.caFile == "/ca.pem")
        sigstore.rekor = UpstreamConfiguration(url: "https://rekor.example.net")
        #expect(
            sigstore.knownLogs(later).map(\.upstream.url) == ["https://rekor.example.net", "https://log.sigstore.dev"])
    }

    @Test func `a service that is not there, or public without a word, is refused`() throws {
        var sigstore = SigstoreConfiguration.leftToTheInstance
        let none = #expect(throws: TrustError.self) { try sigstore.services(nil, at: Date()) }
        #expect(none?.code == "trust.no_service")
        let later = #expect(throws: TrustError.self) {
            try sigstore.services(Self.config(start: "2100-01-01T00:00:00Z"), at: Date())
        }
        #expect(later?.code == "trust.no_service")
        let exposed = #expect(throws: TrustError.self) {
            try sigstore.services(Self.config(host: "sigstore.dev"), at: Date())
        }
        #expect(exposed == .publicLog("fulcio.sigstore.dev"))
        sigstore.publicLog = .acknowledged
        #expect(try sigstore.services(Self.config(host: "sigstore.dev"), at: Date()).logs.count == 1)
    }

    @Test func `clients are kept until the services change, and none are given when nothing may be signed`()
        async throws
    {
        let sigstore = SigstoreConfiguration.leftToTheInstance
        let root = try TrustedRootSample().json
        let source = ScriptedTrust(root, signingConfig: Self.json(host: "one.example"))
        let keeper = try await TrustKeeper(
            source, allowsLab: false,
            services: { config, now throws(TrustError) in try sigstore.services(config, at: now) }, logger: .silent)
        let built = Mutex(0)
        let clients = ServiceClients(keeper) { services in
            built.withLock { $0 += 1 }
            return services.logs[0].upstream.url
        }
        #expect(try clients.current() == "https://log.one.example")
        #expect(try clients.current() == "https://log.one.example")
        source.set(root, signingConfig: Self.json(host: "two.example"))
        try await keeper.refresh()
        #expect(try clients.current() == "https://log.two.example")
        #expect(built.withLock { $0 } == 2)
        source.set(
            root, signingConfig: Self.json(host: "two.example"),
            roles: [TrustRole(name: "timestamp", version: 1, expires: .distantPast, threshold: 1, keyIDs: [])])
        try await keeper.refresh()
        let error = #expect(throws: TrustError.self) { try clients.current() }
        #expect(error?.code == "trust.expired")
    }

    @Test func `a rotation to services that we cannot use is not followed`() async throws {
        let root = try TrustedRootSample().json
        let sigstore = SigstoreConfiguration.leftToTheInstance
        let good = Array(
            """
            {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
             "caUrls":[{"url":"https://ca.example","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"}}],
             "rekorTlogUrls":[{"url":"https://log.example","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"}}]}
            """.utf8)
        let bad = Array(
            String(decoding: good, as: UTF8.self).replacing("majorApiVersion\":1", with: "majorApiVersion\":9").utf8)
        let source = ScriptedTrust(root, signingConfig: good)
        let keeper = try await TrustKeeper(
            source, allowsLab: false,
            services: { config, now throws(TrustError) in try sigstore.services(config, at: now) }, logger: .silent)
        #expect(try keeper.services().timestampAuthorities.isEmpty)
        source.set(root, signingConfig: bad)
        let error = await #expect(throws: TrustError.self) { try await keeper.refresh() }
        #expect(error?.code == "trust.no_service")
        #expect(try keeper.services().logs.map(\.upstream.url) == ["https://log.example"])
    }
}
