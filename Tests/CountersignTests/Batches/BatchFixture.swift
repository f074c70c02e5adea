import FoundationEssentials
import Logging
import OCI
import OpenSSL
import Postgres
import Support

@testable import Countersign

/// Batches over a database of their own, with a queue whose claims the test settles by hand.
struct BatchFixture: Sendable {
    let database: QueueFixture
    let records: BatchRecords
    let principal: APITokens.Principal
    let policy: SigningPolicy

    static let registry = "registry.example"

    /// That of ``samplePush``.
    static func endpoint() throws -> EndpointConfiguration {
        var endpoint = EndpointConfiguration(name: "demo", registry: registry, secrets: [])
        endpoint.repositories = [try Glob("team/**"), try Glob("aside/**")]
        return endpoint
    }

    /// - Parameter formats: those of the only rule.
    init(formats: [SignatureFormat] = [.bundle]) async throws {
        database = try await QueueFixture()
        records = BatchRecords(pool: database.pool)
        let tokens = APITokens(pool: database.pool)
        let token = try await tokens.create(name: "operator", role: .operator, lifetime: nil)
        guard let principal = try await tokens.authenticate(token) else { throw SupportError("no principal") }
        self.principal = principal
        var rule = PolicyConfiguration.Rule(name: "team", repositories: [try Glob("registry.example/team/**")])
        rule.formats = formats
        policy = SigningPolicy(rules: [rule], registries: [Self.registry])
    }

    /// The part of one daemon that carries batches on.
    func feeder(tenants: [TenantConfiguration] = [], registries: Registries? = nil) -> BatchFeeder {
        BatchFeeder(
            queue: database.anotherQueue(tenants: tenants), policy: policy, registries: registries,
            configured: [Self.registry],
            retry: RetryPolicy(), logger: SigningDaemon.silence)
    }

    /// - Parameter step: rows that one statement looks at.
    func selection(
        _ selector: BatchSelector, signedOnly: Bool = false, step: Int = 5_000, limit: Int = BatchRequest.memberLimit
    ) async throws -> [BatchSubject]? {
        try await BatchSelection(pool: database.pool, endpoints: [Self.endpoint()], step: step).subjects(
            selector, signedOnly: signedOnly, limit: limit)
    }

    func store(
        _ subjects: [BatchSubject], _ action: Batch.Action = .sign, key: String = "\(UUID())", asked: String? = nil,
        formats: [SignatureFormat]? = nil, grouping: Batch.Grouping? = nil, rate: Int? = nil
    ) async throws -> BatchRecords.Storing {
        try await records.store(
            subjects,
            BatchRequest(
                subjects: .list(subjects), action: action, formats: formats, reason: "because", grouping: grouping,
                rate: rate), selector: nil,
            from: .init(
                principal: principal, key: key, fingerprint: Hash.sha256(Array((asked ?? "\(subjects)").utf8))))
    }

    func batch(
        _ subjects: [BatchSubject], _ action: Batch.Action = .sign, formats: [SignatureFormat]? = nil,
        grouping: Batch.Grouping? = nil, rate: Int? = nil
    ) async throws -> Batch {
        let storing = try await store(subjects, action, formats: formats, grouping: grouping, rate: rate)
        guard case .stored(let batch) = storing else {
            throw SupportError("not stored")
        }
        return batch
    }

    /// Steps until nothing moves by itself.
    func feed(_ feeder: BatchFeeder? = nil) async throws {
        let feeder = feeder ?? self.feeder()
        while try await feeder.step() {}
        _ = try await feeder.step()
    }

    func counts(_ batch: Batch) async throws -> [BatchMember.State: Int] {
        try await records.progress(of: batch.id).counts
    }

    func state(_ batch: Batch) async throws -> Batch.State? { try await records.batch(batch.id)?.state }

    /// Signs everything that is due, as a worker would.
    func signAll(limit: Int = 1_000) async throws {
        for (index, claim) in try await database.claim(limit: limit).enumerated() {
            _ = try await database.queue.settle(claim, as: .signed(sampleRecord(claim.jobID * 1_000 + Int64(index))))
        }
    }

    func subject(
        _ seed: String, tag: String? = nil, repository: String = "team/app"
    ) throws -> BatchSubject {
        BatchSubject(
            repository: try Repository(registry: Self.registry, name: repository), tag: tag,
            digest: sampleDigest(seed))
    }

    func subjects(_ count: Int, _ prefix: String = "image") throws -> [BatchSubject] {
        try (0..<count).map { try subject("\(prefix) \($0)") }
    }
}
