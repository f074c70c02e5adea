import FoundationEssentials
import OCI
import Postgres
import Support
import Testing

@testable import Countersign

/// Whose jobs come first.
@Suite struct FairClaimTests {
    private static func tenants() throws -> [TenantConfiguration] {
        [
            TenantConfiguration(name: "payments", repositories: [try Glob("registry.example/payments/**")]),
            TenantConfiguration(
                name: "mirror", repositories: [],
                endpoints: [.init(registry: "registry.example", repositories: [try Glob("mirror/**")])]),
        ]
    }

    /// A queue that knows its tenants, and has their repositories assigned.
    private func assigned(_ fixture: QueueFixture, _ configuration: [TenantConfiguration]) async throws -> JobQueue {
        let tenants = Tenants(configuration)
        let queue = JobQueue(pool: fixture.pool, notifier: fixture.queue.notifier, tenants: tenants)
        try await tenants.number(in: fixture.pool)
        try await tenants.assign(all: true, in: fixture.pool)
        return queue
    }

    private func flood(_ fixture: QueueFixture, _ repository: String, lane: Lane = .live, _ count: Int = 60)
        async throws
    {
        let pushes = (0..<count).map {
            samplePush(sampleDigest("\(repository) \($0)"), repository: repository, lane: lane)
        }
        _ = try await fixture.queue.enqueue(pushes)
    }

    @Test func `a tenant's flood does not stand before another's push`() async throws {
        let fixture = try await QueueFixture()
        try await flood(fixture, "mirror/everything")
        try await flood(fixture, "payments/api", 1)
        try await flood(fixture, "other/app", 1)
        let queue = try await assigned(fixture, Self.tenants())
        let cursor = ClaimCursor()
        var order: [String] = []
        for _ in 0..<3 { order += try await queue.claim(limit: 4, cursor: cursor).map(\.repository.name) }
        // whoever was not served for longest is looked at first
        #expect(order.firstIndex(of: "payments/api") != nil)
        #expect(order.firstIndex(of: "other/app") != nil)
        #expect(order.count == 12 && order.count { $0 == "mirror/everything" } == 10, "and nothing is left idle")
    }

    @Test func `two floods share the claims`() async throws {
        let fixture = try await QueueFixture()
        try await flood(fixture, "mirror/everything")
        try await flood(fixture, "payments/api")
        let queue = try await assigned(fixture, Self.tenants())
        let cursor = ClaimCursor()
        var order: [String] = []
        for _ in 0..<10 { order += try await queue.claim(limit: 4, cursor: cursor).map(\.repository.name) }
        #expect(order.count == 40)
        #expect(order.count { $0 == "payments/api" } == 20)
    }

    @Test func `within a lane only: a tenant's backfill does not pass another's push`() async throws {
        let fixture = try await QueueFixture()
        try await flood(fixture, "mirror/everything", lane: .bulk)
        try await flood(fixture, "payments/api", 8)
        let queue = try await assigned(fixture, Self.tenants())
        let claims = try await queue.claim(limit: 8, cursor: ClaimCursor())
        #expect(claims.count == 8 && claims.allSatisfy { $0.repository.name == "payments/api" })
    }

    @Test func `everything is claimed, also of tenants that left the configuration`() async throws {
        let fixture = try await QueueFixture()
        for repository in ["mirror/everything", "payments/api", "other/app"] { try await flood(fixture, repository, 5) }
        _ = try await assigned(fixture, Self.tenants())
        // a daemon with another configuration, which has not assigned anything yet
        let tenants = Tenants([])
        try await tenants.number(in: fixture.pool)
        let queue = JobQueue(pool: fixture.pool, notifier: fixture.queue.notifier, tenants: tenants)
        var claimed = 0
        while case let claims = try await queue.claim(limit: 100, cursor: ClaimCursor()), !claims.isEmpty {
            claimed += claims.count
        }
        #expect(claimed == 15)
    }

    @Test func `a repository and its jobs belong to the first tenant that names it, new ones within a look`()
        async throws
    {
        let fixture = try await QueueFixture()
        let queue = try await assigned(fixture, Self.tenants())
        try await flood(fixture, "payments/api", 1)
        #expect(try await tenant(fixture) == "everybody", "nobody looked yet")
        try await queue.tenants.assign(all: false, in: fixture.pool)
        #expect(try await tenant(fixture) == "payments")
        // further jobs of it are the tenant's from the start
        try await fixture.pool.execute("DELETE FROM countersign.job")
        try await flood(fixture, "payments/api", 2)
        #expect(try await tenant(fixture) == "payments")
        // the configuration without tenants makes everybody one again
        _ = try await assigned(fixture, [])
        #expect(try await tenant(fixture) == "everybody")
    }

    private func tenant(_ fixture: QueueFixture) async throws -> String? {
        try await fixture.text(
            "SELECT max(t.name) FROM countersign.job j JOIN countersign.tenant t ON t.id = j.tenant")
    }
}
