import Curl
import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Batches over a real registry: from tags to signatures.
@Suite(.enabled(if: SigningLine.isPossible, "docker-registry is not installed")) struct BatchLineTests {
    private func feeder(_ line: SigningLine, http: HTTPClient = SigningLine.http) throws -> BatchFeeder {
        var upstream = UpstreamConfiguration(url: line.registry.url)
        (upstream.proxy, upstream.privateNetwork, upstream.plainHTTP) = (.none, true, true)
        let registry = RegistryConfiguration(name: line.repository.registry, upstream: upstream)
        var retry = RetryPolicy()
        retry.eventual = [.milliseconds(1)]
        for backoff in [\RetryPolicy.dependency, \.throttled] { retry[keyPath: backoff].ceiling = .milliseconds(1) }
        return BatchFeeder(
            queue: line.database.queue,
            policy: SigningPolicy(rules: [SigningLine.Setup.rule()], registries: [registry.name]),
            registries: try Registries([registry], http: http), configured: [registry.name], retry: retry,
            logger: SigningDaemon.silence)
    }

    private func batch(_ line: SigningLine, tags: [String]) async throws -> (BatchRecords, Batch) {
        let tokens = APITokens(pool: line.database.pool)
        let token = try await tokens.create(name: "operator", role: .operator, lifetime: nil)
        let principal = try #require(try await tokens.authenticate(token))
        let records = BatchRecords(pool: line.database.pool)
        let subjects = tags.map { BatchSubject(repository: line.repository, tag: $0, digest: nil) }
        let stored = try await records.store(
            subjects, BatchRequest(subjects: .list(subjects), action: .sign), selector: nil,
            from: .init(principal: principal, key: "k", fingerprint: [UInt8](repeating: 0, count: 32)))
        guard case .stored(let batch) = stored else { throw SupportError("not stored") }
        return (records, batch)
    }

    /// Steps, with waits skipped, until every tag has its answer.
    private func resolve(_ feeder: BatchFeeder, _ line: SigningLine) async throws {
        for _ in 0..<20 {
            _ = try await feeder.step()
            try await line.database.pool.execute("UPDATE countersign.batch_member SET due_at = now()")
        }
    }

    @Test func `tags are asked for, share the signature of their digest, and what is not there is told`() async throws {
        let line = try await SigningLine()
        let image = try await line.image(tag: "v1")
        _ = try await line.put(String(decoding: image.bytes, as: UTF8.self), MediaType.ociManifest, .tag("latest"))
        let other = try await line.image(tag: "v2").descriptor.digest
        let (records, batch) = try await batch(line, tags: ["v1", "latest", "v2", "nowhere"])
        let gate = LaneGate()
        let feeder = try feeder(line, http: SigningLine.http.gated(by: gate))
        try await resolve(feeder, line)
        #expect(gate.lanes == [.bulk], "pushes go first at the registry")
        try await line.daemon().workOff()
        _ = try await feeder.step()
        let progress = try await records.progress(of: batch.id)
        #expect(progress.counts == [.signed: 3, .gone: 1] && progress.targets == 2)
        #expect(try await records.batch(batch.id)?.state == .done)
        try await line.expectSignedOnce(image.descriptor.digest)
        try await line.expectSignedOnce(other)
        let tagged = try await line.database.records.status(ofTag: "latest", in: line.repository)
        #expect(tagged?.digest == image.descriptor.digest && tagged?.state == .signed)
        let gone = try await records.members(of: batch.id, state: .gone)
        #expect(gone.map(\.tag) == ["nowhere"] && gone.map(\.error?.code) == ["registry.not_found"])
    }

    @Test func `a registry that is away holds up its tags and loses none`() async throws {
        let line = try await SigningLine()
        let digest = try await line.image(tag: "v1").descriptor.digest
        let (records, batch) = try await batch(line, tags: ["v1"])
        let feeder = try feeder(line)
        line.registry.next(.answered(503), times: 1_000) { $0.path.contains("/manifests/v1") }
        try await resolve(feeder, line)
        #expect(try await records.progress(of: batch.id).counts == [.pending: 1])
        #expect(
            try await records.members(of: batch.id).map(\.error?.code) == ["registry.unavailable"])
        line.registry.heal()
        try await resolve(feeder, line)
        try await line.daemon().workOff()
        _ = try await feeder.step()
        #expect(try await records.progress(of: batch.id).counts == [.signed: 1])
        try await line.expectSignedOnce(digest)
    }
}
