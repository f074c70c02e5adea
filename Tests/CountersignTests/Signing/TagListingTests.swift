import Curl
import OCI
import Support
import Testing

@testable import Countersign

/// Batches over what a registry lists, of which nobody told us.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct TagListingTests {
    private func listing(
        _ line: SigningLine, rules: [PolicyConfiguration.Rule] = [SigningLine.Setup.rule()],
        http: HTTPClient = SigningLine.http
    ) throws -> TagListing {
        var upstream = UpstreamConfiguration(url: line.registry.url)
        (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
        let registry = RegistryConfiguration(name: line.repository.registry, upstream: upstream)
        return TagListing(
            registries: try Registries([registry], http: http),
            plan: BatchPlan(
                policy: SigningPolicy(rules: rules, registries: [registry.name]), registries: [registry.name],
                pool: line.database.pool))
    }

    private func selector(_ repository: String, tag: String? = nil) throws -> BatchSelector {
        var selector = BatchSelector()
        selector.source = .registry
        selector.repository = try Glob(repository)
        selector.tag = try tag.map { try Glob($0) }
        return selector
    }

    @Test func `every tag is a member but those that hold signatures`() async throws {
        let line = try await SigningLine()
        let digests = try await line.images(3)
        try await line.push(digests[0])
        try await line.daemon(.formats([.bundle, .legacy])).workOff()
        #expect(try await line.pusher.tags(line.repository.name).count == 5, "an index and a .sig tag beside three")
        let listing = try listing(line)
        let named = try #require(try await listing.subjects(selector(line.repository.description)))
        #expect(Set(named.compactMap(\.tag)) == ["v0", "v1", "v2"])
        #expect(named.allSatisfy { $0.digest == nil && $0.repository == line.repository })
        // known by the push, so that a pattern finds it
        let known = try #require(try await listing.subjects(selector("registry.example/team-*/app", tag: "v1")))
        #expect(known.map(\.tag) == ["v1"])
        let some = try #require(try await listing.subjects(selector("registry.example/team-*/app", tag: "v?")))
        #expect(some.count == 3)
        #expect(try await listing.subjects(selector(line.repository.description), limit: 2) == nil)
    }

    @Test func `a listing goes behind pushes at its registry`() async throws {
        let line = try await SigningLine()
        _ = try await line.images(1)
        let gate = LaneGate()
        _ = try await listing(line, http: SigningLine.http.gated(by: gate))
            .subjects(selector(line.repository.description))
        #expect(gate.lanes == [.bulk])
    }

    @Test func `what is not known, not signed or not listed is an error and never nothing`() async throws {
        let line = try await SigningLine()
        _ = try await line.images(1)
        await #expect(throws: TagListing.NoRepository.self) {
            try await listing(line).subjects(selector("registry.example/team-*/app"))
        }
        await #expect(throws: TagListing.NoRepository.self) {
            let rules = [SigningLine.Setup.rule(glob: "registry.example/other/**")]
            return try await listing(line, rules: rules).subjects(selector(line.repository.description))
        }
        line.registry.next(.answered(503), times: 10) { $0.path.hasSuffix("/tags/list") }
        await #expect(throws: OCIError.self) {
            try await listing(line).subjects(selector(line.repository.description))
        }
    }
}
